"""Tiles on a CUDA device: the kernels of `_core`, with the same bytes, on memory of the device.

All work is put on a stream and done in its order; calls return before it is done, and so do a kernel's errors: they
come with a later call. What a call was given must stay as it is until the stream is past it. Nothing here may be called
where `problem()` has an answer.
"""

from typing import Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from tilewright._core import TilePlan

_Layout: TypeAlias = Literal["NCHW", "NHWC"]

class CudaError(RuntimeError): ...

def problem(device: int = 0) -> str | None: ...
def device_name(device: int = 0) -> str: ...
def memory(device: int = 0) -> tuple[int, int]: ...

class Stream:
    def __init__(self, device: int = 0) -> None: ...
    @property
    def handle(self) -> int: ...
    @property
    def device(self) -> int: ...
    def synchronize(self) -> None: ...
    def wait(self, event: Event) -> None: ...

class Event:
    def __init__(self, device: int = 0) -> None: ...
    def record(self, stream: Stream) -> None: ...
    def synchronize(self) -> None: ...
    def elapsed_ms(self, since: Event) -> float: ...

class DeviceBuffer:
    def __init__(self, nbytes: int, device: int = 0) -> None: ...
    @property
    def pointer(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def device(self) -> int: ...

class PinnedBuffer:
    def __init__(self, nbytes: int) -> None: ...
    @property
    def nbytes(self) -> int: ...
    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike, *, offset: int = 0) -> npt.NDArray[np.generic]: ...

class ImageView:
    def __init__(
        self, buffer: DeviceBuffer, shape: tuple[int, int, int], dtype: npt.DTypeLike, *, offset: int = 0
    ) -> None: ...
    @property
    def pointer(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...

class TensorView:
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
    def stored_shape(self) -> tuple[int, int, int, int]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> TensorView: ...
    @overload
    def __getitem__(self, index: slice, /) -> TensorView: ...

def upload(array: NDArray[np.generic], buffer: DeviceBuffer, stream: Stream, *, offset: int = 0) -> None: ...
def download(buffer: DeviceBuffer, array: NDArray[np.generic], stream: Stream, *, offset: int = 0) -> None: ...
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
) -> None: ...

class Canvas:
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
    def nbytes(self) -> int: ...
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
    ) -> None: ...
