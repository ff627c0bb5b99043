"""Tiles on a CUDA device: the kernels of `_core`, with the same bytes, on memory of the device.

All work is put on a stream and done in its order; calls return before it is done, and so do a kernel's errors: they
come with a later call. What a call was given must stay as it is until the stream is past it. Nothing here may be called
where `problem()` has an answer.
"""

from typing import Literal, TypeAlias, final, overload

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from tilewright._core import TilePlan

_Layout: TypeAlias = Literal["NCHW", "NHWC"]

class CudaError(RuntimeError):
    """A call of the CUDA runtime failed; the message names the call, the error and what it means."""

def problem(device: int = 0) -> str | None:
    """Why no kernel can run on this device, in one line; None when they can."""

def device_name(device: int = 0) -> str: ...
def memory(device: int = 0) -> tuple[int, int]:
    """Bytes of the device that are free, and all that it has."""

@final
class Stream:
    """A stream of its own: it does not wait for the default stream."""

    def __init__(self, device: int = 0) -> None: ...
    @property
    def handle(self) -> int:
        """The ``cudaStream_t``, for other libraries."""

    @property
    def device(self) -> int: ...
    def synchronize(self) -> None:
        """Waits until all work is done."""

    def wait(self, event: Event) -> None:
        """Later work waits for what the event has recorded; this call does not."""

@final
class Event:
    """A mark in a stream's work."""

    def __init__(self, device: int = 0) -> None: ...
    def record(self, stream: Stream) -> None: ...
    def synchronize(self) -> None:
        """Waits until the work before the last `record` is done; not at all when there was none."""

    def elapsed_ms(self, since: Event) -> float:
        """Milliseconds between two recorded events that are both done."""

@final
class DeviceBuffer:
    """Memory of a device. Its content has no meaning at first.

    Freed with its last reference, views included, and then waits for the device's work.

    Raises:
        MemoryError: the device has not as much; the message has the numbers.
    """

    def __init__(self, nbytes: int, device: int = 0) -> None: ...
    @property
    def pointer(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def device(self) -> int: ...

@final
class PinnedBuffer:
    """Memory of the host that a device copies to and from while the host goes on."""

    def __init__(self, nbytes: int) -> None: ...
    @property
    def nbytes(self) -> int: ...
    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike, *, offset: int = 0) -> npt.NDArray[np.generic]:
        """A C-contiguous view from byte `offset` on, which keeps the buffer alive."""

@final
class ImageView:
    """Interleaved uint8 or uint16 samples ``[height, width, channels]`` in a buffer, from byte `offset` on, densely
    packed. Keeps the buffer alive.
    """

    def __init__(
        self, buffer: DeviceBuffer, shape: tuple[int, int, int], dtype: npt.DTypeLike, *, offset: int = 0
    ) -> None: ...
    @property
    def pointer(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...

@final
class TensorView:
    """float32 or float16 elements of `shape` ``(n, planes, height, width)`` in a buffer, from byte `offset` on, densely
    packed in the order of the layout. With ``"NHWC"`` a pixel may have more channels than planes: `channels` of them,
    of which those beyond the planes are written as 0 and never read. Keeps the buffer alive.

    ``tensor[i]`` and ``tensor[i:j]`` are views of some of the n.
    """

    def __init__(
        self,
        buffer: DeviceBuffer,
        shape: tuple[int, int, int, int],
        dtype: npt.DTypeLike,
        *,
        layout: _Layout = "NCHW",
        channels: int | None = None,
        offset: int = 0,
    ) -> None: ...
    @property
    def pointer(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int, int, int]: ...
    @property
    def stored_shape(self) -> tuple[int, int, int, int]:
        """As it lies in memory: ``(n, planes, height, width)`` or ``(n, height, width, channels)``."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> TensorView: ...
    @overload
    def __getitem__(self, index: slice, /) -> TensorView: ...

def upload(array: NDArray[np.generic], buffer: DeviceBuffer, stream: Stream, *, offset: int = 0) -> None:
    """Copies a C-contiguous array into the buffer, from byte `offset` on.

    From pinned memory the copy goes on after the call, and the array must live until it is done. From any other the
    call waits, at the least until the array was read.
    """

def download(buffer: DeviceBuffer, array: NDArray[np.generic], stream: Stream, *, offset: int = 0) -> None:
    """Fills a C-contiguous array from the buffer, from byte `offset` on; see `upload`."""

def gather(
    picture: ImageView,
    plan: TilePlan,
    first: int,
    batch: TensorView,
    stream: Stream,
    *,
    channels: tuple[int, ...] | list[int] = (0, 1, 2),
    value_range: tuple[float, float] = (0.0, 1.0),
    border: Literal["mirror", "edge"] = "mirror",
) -> None:
    """As `_core.gather`, on the device: at most 16 planes."""

@final
class Canvas:
    """As `_core.Canvas`, on a device.

    Its blends must all be put on one stream, or on streams that wait for each other.
    """

    def __init__(
        self,
        plan: TilePlan,
        scale: int,
        *,
        planes: int = 3,
        value_range: tuple[float, float] = (0.0, 1.0),
        shuffle: int = 1,
        adds_base: bool = False,
        device: int = 0,
    ) -> None: ...
    @property
    def nbytes(self) -> int:
        """Memory of the device that it has."""

    def band(self, row: int) -> tuple[int, int]: ...
    def blend(
        self,
        index: int,
        result: TensorView,
        target: ImageView,
        stream: Stream,
        *,
        not_finite: DeviceBuffer,
        slot: int = 0,
        first_channel: int = 0,
        channels: int | None = None,
        base: TensorView | None = None,
    ) -> None:
        """As `_core.Canvas.blend`, but for the count of values that are not finite, which is not known yet.

        Args:
            index: the next tile, or once more the last one.
            result: of one tile, ``[1, planes, tile_height * scale, tile_width * scale]``; where the canvas shuffles
                ``[1, planes * scale * scale, tile_height, tile_width]``.
            target: the tile's band.
            stream: where the work is put.
            not_finite: uint64 counts; that of this blend is written to number `slot`, whatever was there.
            first_channel: where in each pixel of the target to write.
            channels: how many to write: all planes, or 1 for their mean.
            base: ``[1, planes, tile_height, tile_width]``: what the network was given, where the canvas adds it; its
                dtype and layout may be others than the result's.
        """
