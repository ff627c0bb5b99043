"""Arrays to and from a CUDA device, emulated or real, for the tests of its kernels."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from tilewright import _core


def as_many(planes: int) -> int:
    """Channels of a stored pixel without padding."""
    return planes


def padded(planes: int) -> int:
    """Channels of a stored pixel as tensor cores like them."""
    return -planes // 8 * -8


# As networks take tensors: the layout, and how many channels a stored pixel has.
LAYOUTS = [("NCHW", as_many), ("NHWC", as_many), ("NHWC", padded)]


def module_of(name: str) -> ModuleType:
    """The module, or a skipped test where it was not built or cannot run."""
    try:
        module = importlib.import_module(f"tilewright.{name}")
    except ModuleNotFoundError:
        if name == "_cuda_emulated" and os.environ.get("TILEWRIGHT_CUDA_EMULATED") == "ON":
            raise
        pytest.skip(f"built without {name}")
    if problem := module.problem():
        pytest.skip(problem)
    return module


def can_run(name: str) -> bool:
    """Whether a module is there and has a device."""
    try:
        return importlib.import_module(f"tilewright.{name}").problem() is None
    except ModuleNotFoundError:
        return False


# What the kernels' tests run on: the emulated device always, a real one where there is one.
MODULES = ["_cuda_emulated", *(["_cuda"] if can_run("_cuda") else [])]


class Device:
    """A device with one stream; all calls wait."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.stream = module.Stream()

    def buffer(self, array: np.ndarray) -> Any:
        """A buffer of its own with the array's bytes."""
        buffer = self.module.DeviceBuffer(max(array.nbytes, 1))
        self.module.upload(np.ascontiguousarray(array), buffer, self.stream)
        self.stream.synchronize()
        return buffer

    def bytes_of(self, buffer: Any) -> np.ndarray:
        """A buffer's bytes, uint8."""
        array = np.empty(buffer.nbytes, np.uint8)
        self.module.download(buffer, array, self.stream)
        self.stream.synchronize()
        return array

    def image(self, array: np.ndarray) -> tuple[Any, Any]:
        """Samples ``[H, W, C]`` as a view, and its buffer."""
        buffer = self.buffer(array)
        return self.module.ImageView(buffer, array.shape, array.dtype), buffer

    def tensor(self, array: np.ndarray, layout: str = "NCHW", channels: int | None = None) -> Any:
        """Elements ``[n, planes, h, w]`` in any layout; what is padding is not finite."""
        stored = array
        if layout == "NHWC":
            stored = np.full((*array.shape[:1], *array.shape[2:], channels or array.shape[1]), np.nan, array.dtype)
            stored[..., : array.shape[1]] = array.transpose(0, 2, 3, 1)
        return self.module.TensorView(self.buffer(stored), array.shape, array.dtype, layout=layout, channels=channels)

    def gather(
        self,
        picture: np.ndarray,
        plan: _core.TilePlan,
        first: int,
        count: int,
        element: Any,
        *,
        layout: str = "NCHW",
        stored: int | None = None,
        **options: Any,
    ) -> np.ndarray:
        """As `_core.gather` into a new batch, which is returned; what is padding in it must be 0."""
        planes = len(options.get("channels", (0, 1, 2)))
        stored = stored or planes
        shape = (count, planes, plan.tile_height, plan.tile_width)
        nbytes = count * stored * plan.tile_height * plan.tile_width * np.dtype(element).itemsize
        buffer = self.module.DeviceBuffer(nbytes + 64)
        batch = self.module.TensorView(buffer, shape, element, layout=layout, channels=stored, offset=32)
        guards = np.full(buffer.nbytes, 0x7E, np.uint8)
        self.module.upload(guards, buffer, self.stream)
        self.module.gather(self.image(picture)[0], plan, first, batch, self.stream, **options)
        everything = self.bytes_of(buffer)
        assert (everything[:32] == 0x7E).all()
        assert (everything[-32:] == 0x7E).all(), "nothing but the batch is written"
        array = everything[32:-32].view(element).reshape(batch.stored_shape)
        if layout == "NCHW":
            return array
        assert not array[..., planes:].any()
        return np.ascontiguousarray(array[..., :planes].transpose(0, 3, 1, 2))


class DeviceCanvas:
    """A canvas that takes and fills arrays, as `_core.Canvas` does."""

    def __init__(self, device: Device, *arguments: Any, **options: Any) -> None:
        self._device = device
        self._canvas = device.module.Canvas(*arguments, **options)
        # What is in the counts beforehand is of no account.
        self._counts = device.buffer(np.full(3, 77, np.uint64))
        self.band = self._canvas.band

    def blend(
        self,
        index: int,
        result: np.ndarray,
        target: np.ndarray,
        first_channel: int = 0,
        channels: int | None = None,
        *,
        base: np.ndarray | None = None,
        layout: str = "NCHW",
        stored: int | None = None,
    ) -> int:
        """As `_core.Canvas.blend`, of a C-contiguous target."""
        device = self._device
        image, buffer = device.image(target)
        added = {}
        if base is not None:
            added["base"] = device.tensor(base[None], layout, padded(len(base)) if layout == "NHWC" else None)
        self._canvas.blend(
            index,
            device.tensor(result[None], layout, stored),
            image,
            device.stream,
            not_finite=self._counts,
            slot=1,
            first_channel=first_channel,
            channels=channels,
            **added,
        )
        target[...] = device.bytes_of(buffer).view(target.dtype).reshape(target.shape)
        before, count, after = device.bytes_of(self._counts).view(np.uint64)
        assert (before, after) == (77, 77)
        return int(count)
