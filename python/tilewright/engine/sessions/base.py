"""What every runtime offers, and the conversions that every runtime needs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tilewright.errors import InferenceError
from tilewright.models.graph.cost import bytes_per_pixel
from tilewright.models.graph.tail import Tail, cut_tail
from tilewright.models.inspect import load_onnx

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import onnx
    from numpy.typing import NDArray

    from tilewright.models.spec import Model, ModelSpec


class DeviceMemoryError(InferenceError):
    """The device has not as much memory as a batch takes: a smaller one may do."""


@contextlib.contextmanager
def device_memory(name: str) -> Iterator[None]:
    """What is allocated inside is memory of the device, for the network of this name.

    Raises:
        DeviceMemoryError: there is not as much.
    """
    try:
        yield
    except MemoryError as error:
        raise DeviceMemoryError(f"{name}: {error}") from error


class Session(Protocol):
    """A network ready to run on one device.

    Attributes:
        spec: facts about the network.
        device: ``"cpu"`` or ``"cuda"``.
        runtime: name and version of what runs it.
        precision: arithmetic of the network, ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        activation_bytes: memory that the runtime takes for each input pixel of a batch, by estimate.
        tail: what is left to do with its results; None when they are finished.
    """

    spec: ModelSpec
    device: str
    runtime: str
    precision: str
    activation_bytes: float
    tail: Tail | None

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """Runs the network.

        Args:
            batch: ``[n, planes, height, width]``, C-contiguous, RGB or one plane, in the network's value range.
            result: what `new_result` made for this shape of batch, to be filled; None to have one made.

        Returns:
            The result, C-contiguous.

        Raises:
            InferenceError: the runtime failed, or its result has not the shape that the spec promises.
        """
        ...

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """An array for the result of a batch of this shape.

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
    """The shape of a result, as `Session.new_result` says, for a batch of this shape."""
    count, planes, height, width = shape
    if tail is not None:
        return count, planes * spec.scale**2, height, width
    return count, planes, height * spec.scale, width * spec.scale


@dataclass(frozen=True, slots=True)
class Runnable:
    """A network as a runtime is given it.

    Attributes:
        network: a file, or ONNX as bytes.
        tail: what was cut off, None for nothing.
        bytes_per_pixel: as in `ModelSpec`, of what is left.
    """

    network: str | bytes
    tail: Tail | None
    bytes_per_pixel: float


def without_tail(model: Model) -> Runnable:
    """The network without what the canvas does better.

    Raises:
        ModelError: the file is no ONNX file.
    """
    if not goes_straight(model.spec):
        return Runnable(str(model.path), None, model.spec.bytes_per_pixel)
    head, tail = parted(model)
    if tail is None:
        return Runnable(str(model.path), None, model.spec.bytes_per_pixel)
    return Runnable(head.SerializeToString(), tail, bytes_per_pixel(head))


def parted(model: Model) -> tuple[onnx.ModelProto, Tail | None]:
    """The graph of a network that goes straight, without its tail, and the tail where it has one.

    Raises:
        ModelError: the file is no ONNX file.
    """
    whole = load_onnx(model.path)
    return cut_tail(whole, model.spec.scale) or (whole, None)


def goes_straight(spec: ModelSpec) -> bool:
    """Whether the graph takes and gives arrays as they are here, so that a runtime can be bound to them."""
    return spec.layout == "NCHW" and spec.channel_order != "BGR" and spec.dtype == "float32"


def checked_shape(found: tuple[int, ...], expected: tuple[int, ...], spec: ModelSpec) -> None:
    """A result of another size means that the spec is wrong about the network, which the user may have given.

    Raises:
        InferenceError: the shapes differ.
    """
    if found != expected:
        raise InferenceError(f"{spec.name} returned shape {found}, where its spec says {expected}")


def finished(session: Session, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """A result as it would be seen: in float32 and with its tail."""
    result = session.run(batch).astype(np.float32, copy=False)
    return result if session.tail is None else session.tail.applied(result, batch)


def to_graph(batch: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.floating]:
    """A batch as the graph takes it: its channel order, layout and element type."""
    graph: NDArray[np.floating] = batch[:, ::-1] if spec.channel_order == "BGR" else batch
    if spec.layout == "NHWC":
        graph = graph.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(graph, dtype=spec.dtype)


def from_graph(values: NDArray[np.floating], result: NDArray[np.floating], spec: ModelSpec) -> None:
    """The reverse of `to_graph`, into `result`.

    Raises:
        InferenceError: the shapes differ.
    """
    if spec.layout == "NHWC":
        values = values.transpose(0, 3, 1, 2)
    checked_shape(values.shape, result.shape, spec)
    np.copyto(result, values[:, ::-1] if spec.channel_order == "BGR" else values)
