"""Helpers that pass NumPy arrays to the CUDA kernels, on the emulated or a real device."""

from __future__ import annotations

import gc
import importlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from tilewright import _core

LAYOUTS = ["NCHW", "NHWC"]


def module_of(name: str) -> ModuleType:
    """Imports a module of kernels. Skips the test if the module was not built or cannot run."""
    try:
        module = importlib.import_module(f"tilewright.{name}")
    except ModuleNotFoundError:
        if name == "_cuda_emulated" and os.environ.get("TILEWRIGHT_CUDA_EMULATED") == "ON":
            raise
        pytest.skip(f"built without {name}")
    if problem := module.problem():
        pytest.skip(problem)
    return module


def set_free_memory(emulated: Any, nbytes: int) -> int:
    """Sets the memory of the emulated device to what is allocated plus `nbytes`.

    Returns:
        The total memory.
    """
    gc.collect()  # so that buffers of earlier tests are not freed later
    emulated.emulate()
    free, total = emulated.memory()
    emulated.emulate(memory=total - free + nbytes)
    return int(total - free + nbytes)


def can_run(name: str) -> bool:
    """Returns whether a module of kernels was built and has a device."""
    try:
        return importlib.import_module(f"tilewright.{name}").problem() is None
    except ModuleNotFoundError:
        return False


# The kernel tests always run on the emulated device, and on a real one if there is one.
MODULES = ["_cuda_emulated", *(["_cuda"] if can_run("_cuda") else [])]


class Device:
    """A device with one stream. All methods wait for their work."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.stream = module.Stream()

    def buffer(self, array: np.ndarray) -> Any:
        """Returns a new buffer with the array's bytes."""
        buffer = self.module.DeviceBuffer(max(array.nbytes, 1))
        self.module.upload(np.ascontiguousarray(array), buffer, self.stream)
        self.stream.synchronize()
        return buffer

    def bytes_of(self, buffer: Any) -> np.ndarray:
        """Returns the bytes of a buffer, uint8."""
        array = np.empty(buffer.nbytes, np.uint8)
        self.module.download(buffer, array, self.stream)
        self.stream.synchronize()
        return array

    def image(self, array: np.ndarray) -> tuple[Any, Any]:
        """Returns samples ``[H, W, C]`` as an image and its buffer."""
        buffer = self.buffer(array)
        return self.module.DeviceImage(buffer, array.shape, array.dtype), buffer

    def tensor(self, array: np.ndarray, layout: str = "NCHW") -> Any:
        """Returns elements ``[n, planes, h, w]`` as a tensor in a layout."""
        stored = array if layout == "NCHW" else array.transpose(0, 2, 3, 1)
        return self.module.DeviceTensor(self.buffer(stored), array.shape, array.dtype, layout=layout)

    def gather(
        self,
        picture: np.ndarray,
        plan: _core.TilePlan,
        tiles: range,
        element: Any,
        *,
        layout: str = "NCHW",
        **options: Any,
    ) -> np.ndarray:
        """Gathers tiles into a new batch, and checks that nothing outside it is written.

        Returns:
            ``[n, planes, h, w]``, for either layout.
        """
        planes = len(options.get("channels", (0, 1, 2)))
        shape = (len(tiles), planes, plan.tile_height, plan.tile_width)
        buffer = self.module.DeviceBuffer(int(np.prod(shape)) * np.dtype(element).itemsize + 64)
        batch = self.module.DeviceTensor(buffer, shape, element, layout=layout, offset=32)
        guards = np.full(buffer.nbytes, 0x7E, np.uint8)
        self.module.upload(guards, buffer, self.stream)
        self.module.gather(self.image(picture)[0], plan, tiles.start, batch, self.stream, **options)
        content = self.bytes_of(buffer)
        assert (content[:32] == 0x7E).all()
        assert (content[-32:] == 0x7E).all()
        array = content[32:-32].view(element).reshape(batch.stored_shape)
        return array if layout == "NCHW" else np.ascontiguousarray(array.transpose(0, 3, 1, 2))


class DeviceCanvas:
    """A canvas that reads and fills NumPy arrays, like `_core.Canvas`."""

    def __init__(self, device: Device, *arguments: Any, **options: Any) -> None:
        self._device = device
        self._canvas = device.module.Canvas(*arguments, **options)
        # The initial value must not affect the count.
        self._count = device.buffer(np.full(2, 77, np.uint64))
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
    ) -> int:
        """Does the same as `_core.Canvas.blend`. The target must be C-contiguous."""
        device = self._device
        image, buffer = device.image(target)
        self._canvas.blend(
            index,
            device.tensor(result[None], layout),
            image,
            device.stream,
            nonfinite=self._count,
            first_channel=first_channel,
            channels=channels,
            base=None if base is None else device.tensor(base[None], layout),
        )
        target[...] = device.bytes_of(buffer).view(target.dtype).reshape(target.shape)
        count, next_value = device.bytes_of(self._count).view(np.uint64)
        assert next_value == 77
        return int(count)
