"""A picture's arrays on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from tilewright._cuda import DeviceImage, Stream
    from tilewright.picture import Pixels


class DevicePicture:
    """Memory for all rows, which go there as they are needed: the first tiles run before the last rows are there."""

    def __init__(self, kernels: ModuleType, arrays: Sequence[Pixels]) -> None:
        """Takes memory for arrays ``[height, width, channels]`` of one height.

        Raises:
            MemoryError: the device has not as much.
        """
        self._kernels = kernels
        self._arrays = [(array, kernels.DeviceBuffer(array.nbytes)) for array in arrays]
        self._stream: Stream = kernels.Stream()
        self._uploaded = kernels.Event()
        self._rows = 0

    def upload(self, rows: int) -> None:
        """Puts the first so many rows on their way, as far as they are not."""
        if rows <= self._rows:
            return
        for array, buffer in self._arrays:
            self._kernels.upload(array[self._rows : rows], buffer, self._stream, offset=self._rows * array[0].nbytes)
        self._uploaded.record(self._stream)
        self._rows = rows

    def await_rows(self, stream: Stream) -> None:
        """Lets later work on a stream wait for all rows that are on their way."""
        stream.wait(self._uploaded)

    def below(self, array: Pixels, top: int) -> DeviceImage:
        """One of the arrays, from a row on."""
        buffer = next(buffer for each, buffer in self._arrays if each is array)
        height, width, channels = array.shape
        shape = (height - top, width, channels)
        view: DeviceImage = self._kernels.DeviceImage(buffer, shape, array.dtype, offset=top * array[0].nbytes)
        return view

    def close(self) -> None:
        """Waits until the arrays are read."""
        self._stream.synchronize()
