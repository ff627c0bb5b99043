"""The arrays of a picture in device memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from tilewright._cuda import DeviceImage, Stream
    from tilewright.picture import Pixels


class DevicePicture:
    """Device memory for a whole picture.

    Rows are uploaded when they are needed, so the first tiles run before the last rows are uploaded.
    """

    def __init__(self, kernels: ModuleType, arrays: Sequence[Pixels]) -> None:
        """Allocates memory for arrays ``[height, width, channels]`` of equal height.

        Raises:
            MemoryError: The device has not enough memory.
        """
        self._kernels = kernels
        self._arrays = [(array, kernels.DeviceBuffer(array.nbytes)) for array in arrays]
        self._stream: Stream = kernels.Stream()
        self._uploaded = kernels.Event()
        self._rows = 0

    def upload(self, rows: int) -> None:
        """Starts to upload the first `rows` rows, except those that are uploaded already."""
        if rows <= self._rows:
            return
        for array, buffer in self._arrays:
            self._kernels.upload(array[self._rows : rows], buffer, self._stream, offset=self._rows * array[0].nbytes)
        self._uploaded.record(self._stream)
        self._rows = rows

    def await_rows(self, stream: Stream) -> None:
        """Makes later work on a stream wait for all uploads that have been started."""
        stream.wait(self._uploaded)

    def below(self, array: Pixels, top: int) -> DeviceImage:
        """Returns a view of one of the arrays from row `top` on."""
        buffer = next(buffer for each, buffer in self._arrays if each is array)
        height, width, channels = array.shape
        shape = (height - top, width, channels)
        view: DeviceImage = self._kernels.DeviceImage(buffer, shape, array.dtype, offset=top * array[0].nbytes)
        return view

    def close(self) -> None:
        """Waits until the host arrays have been read."""
        self._stream.synchronize()
