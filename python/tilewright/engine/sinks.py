"""Destinations of finished rows: whole arrays, or an encoder that works while tiles still run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tilewright.picture import Pixels


class RowSink(Protocol):
    """Takes rows from top to bottom, one band at a time.

    Attributes:
        pixel_bytes: Memory that the sink holds for each pixel of a band, in bytes.
    """

    pixel_bytes: int

    def band(self, begin: int, end: int) -> Sequence[Pixels]:
        """Returns arrays to fill for the output rows from `begin` to `end`.

        There is one for each array of the picture. The caller fills them. The next call of this
        method, or of `finish`, completes these rows.

        Returns:
            Arrays ``[end - begin, width, channels]``.
        """
        ...

    def finish(self) -> None:
        """Completes the rows of the last band."""
        ...


class ArraySink:
    """Fills whole arrays in place."""

    pixel_bytes = 0

    def __init__(self, *targets: Pixels) -> None:
        """Takes arrays ``[height, width, channels]`` of equal height."""
        self._targets = targets

    def band(self, begin: int, end: int) -> Sequence[Pixels]:
        """See `RowSink.band`."""
        return [target[begin:end] for target in self._targets]

    def finish(self) -> None:
        """See `RowSink.finish`."""


class BandSink:
    """Passes every finished band to a function. It holds memory for the highest band only."""

    def __init__(self, width: int, channels: Sequence[int], dtype: np.dtype, write: Callable[..., None]) -> None:
        """Starts without buffers.

        Args:
            width: Width of the rows in pixels.
            channels: Number of channels of each array of the picture.
            dtype: uint8 or uint16.
            write: Called with the finished rows of each array, ``[rows, width, channels]``. The
                arrays are reused afterwards.
        """
        self._width, self._channels, self._dtype, self._write = width, channels, dtype, write
        self.pixel_bytes = sum(channels) * dtype.itemsize
        self._buffers: list[Pixels] = []
        self._rows = 0

    def band(self, begin: int, end: int) -> Sequence[Pixels]:
        """See `RowSink.band`."""
        self.finish()
        self._rows = end - begin
        if not self._buffers or len(self._buffers[0]) < self._rows:
            self._buffers = []  # free the old buffers before allocating new ones
            self._buffers = [np.empty((self._rows, self._width, count), self._dtype) for count in self._channels]
        return [buffer[: self._rows] for buffer in self._buffers]

    def finish(self) -> None:
        """See `RowSink.finish`."""
        if self._rows:
            self._write(*(buffer[: self._rows] for buffer in self._buffers))
            self._rows = 0
