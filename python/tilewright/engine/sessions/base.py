"""The interface of sessions. It loads neither a runtime nor onnx."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from tilewright.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from numpy.typing import NDArray

    from tilewright.models.spec import ModelSpec, Tail


class DeviceMemoryError(InferenceError):
    """A batch takes more memory than the device has. A smaller batch may fit."""


@contextlib.contextmanager
def device_memory(name: str) -> Iterator[None]:
    """Maps a `MemoryError` inside the block, where device memory is allocated.

    Args:
        name: Name of the network, for the message.

    Raises:
        DeviceMemoryError: The device has not enough memory.
    """
    try:
        yield
    except MemoryError as error:
        raise DeviceMemoryError(f"{name}: {error}") from error


class RowStream(Protocol):
    """A picture on its way through a network, in bands of rows from top to bottom.

    The result is that of a run over the whole picture. A stream must not be used by two threads at
    once.
    """

    @property
    def wanted(self) -> int:
        """Rows of the input that the next call of `advance` takes; 0 after the last ones."""
        ...

    @property
    def rounds(self) -> int:
        """Calls of `advance` that the picture takes in total."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether all rows of the result were computed."""
        ...

    def advance(self, rows: NDArray[np.float32], result: NDArray[np.floating]) -> bool:
        """Takes a band of the input and computes what can be computed then.

        Args:
            rows: ``[planes, band, width]``, C-contiguous; the first `wanted` rows are read.
            result: Memory for a band of the result, with the planes and the scale of
                `Session.new_result`.

        Returns:
            Whether the band of the result is complete. If not, the next call must get the same
            memory.
        """
        ...


class Streaming(Protocol):
    """What a session offers that can run a picture in bands of rows instead of tiles."""

    def band(self, height: int, width: int) -> int:
        """Returns the rows of a band of a picture of this size."""
        ...

    def stream_bytes(self, height: int, width: int) -> int:
        """Returns the memory that a stream takes for a picture of this size, in bytes."""
        ...

    def open_stream(self, height: int, width: int) -> RowStream:
        """Begins a picture.

        Raises:
            MemoryError: There is not enough memory.
        """
        ...


class Session(Protocol):
    """A network that is ready to run on one device.

    Attributes:
        spec: Spec of the network.
        device: ``"cpu"`` or ``"cuda"``.
        tensor_memory: Where batches and results are: in ``"host"`` or in ``"cuda"`` memory. It
            decides which executor runs the session.
        runtime: Name and version of the runtime.
        precision: Arithmetic of the network: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        ensemble: Number of runs that are averaged for one result; 1 without self-ensemble.
        activation_bytes: Estimated memory of the runtime for each input pixel of a batch, in bytes.
        tail: Operations that the canvas still has to apply to results; None if results are
            finished.
        streaming: Runs pictures in bands of rows; None if the network needs tiles.
    """

    spec: ModelSpec
    device: str
    tensor_memory: Literal["host", "cuda"]
    runtime: str
    precision: str
    ensemble: int
    activation_bytes: float
    tail: Tail | None
    streaming: Streaming | None

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """Runs the network on arrays in host memory.

        Args:
            batch: ``[n, planes, height, width]``, C-contiguous, RGB or one plane, in the network's
                value range.
            result: Array from `new_result` for this batch shape, which is filled; None to make one.

        Returns:
            The result, C-contiguous.

        Raises:
            InferenceError: The runtime failed, or its result does not have the shape that the spec
                promises.
        """
        ...

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """Makes an array for the result of a batch of this shape.

        Returns:
            float32 or float16 ``[n, planes, height * scale, width * scale]``; with a tail
            ``[n, planes * scale * scale, height, width]``.
        """
        ...


def new_result(
    shape: tuple[int, ...], spec: ModelSpec, tail: Tail | None = None, dtype: npt.DTypeLike = np.float32
) -> NDArray[np.floating]:
    """See `Session.new_result`."""
    return np.empty(result_shape(shape, spec, tail), dtype)


def result_shape(shape: tuple[int, ...], spec: ModelSpec, tail: Tail | None) -> tuple[int, int, int, int]:
    """Returns the shape of the result of a batch, see `Session.new_result`."""
    count, planes, height, width = shape
    if tail is not None:
        return count, planes * spec.scale**2, height, width
    return count, planes, height * spec.scale, width * spec.scale


def finished_result(session: Session, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Runs a batch and applies the tail. The result is float32."""
    result = session.run(batch).astype(np.float32, copy=False)
    return result if session.tail is None else session.tail.applied(result, batch)


def runtime_label(session: Session) -> str:
    """Returns runtime and precision for messages, such as ``"openvino 2026.4, bf16"``."""
    ensemble = f"self-ensemble of {session.ensemble}, " if session.ensemble > 1 else ""
    return f"{session.runtime}, {ensemble}{session.precision}"
