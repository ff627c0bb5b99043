"""Where finished rows go: into arrays, or to an encoder while later tiles are still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tilewright.picture import Pixels


class RowSink(Protocol):
    """Takes rows from top to bottom, a band at a time.

    Attributes:
        pixel_bytes: memory that a band takes here for each of its pixels.
    """

    pixel_bytes: int

    def band(self, begin: int, end: int) -> Sequence[Pixels]:
        """Arrays ``[end - begin, width, channels]`` to fill, one for each of the picture's arrays.

        The next call takes these rows for finished, and so does `finish`.
        """
        ...

    def finish(self) -> None:
        """Takes the rows of the last band for finished."""
        ...


class ArraySink:
    """Fills whole arrays in place."""

    pixel_bytes = 0

    def __init__(self, *targets: Pixels) -> None:
        """Takes arrays ``[height, width, channels]`` of one height."""
        self._targets = targets

    def band(self, begin: int, end: int) -> Sequence[Pixels]:
        """See `RowSink.band`."""
        return [target[begin:end] for target in self._targets]

    def finish(self) -> None:
        """See `RowSink.finish`."""


class BandSink:
    """Hands every band to a function when it is finished; its memory is that of the highest band."""

    def __init__(self, width: int, channels: Sequence[int], dtype: np.dtype, write: Callable[..., None]) -> None:
        """Makes one.

        Args:
            width: of the rows, in pixels.
            channels: of each of the picture's arrays.
            dtype: uint8 or uint16.
            write: called with the finished rows of each array; they are overwritten afterwards.
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
            self._buffers = []  # the old ones go before the new ones come
            self._buffers = [np.empty((self._rows, self._width, count), self._dtype) for count in self._channels]
        return [buffer[: self._rows] for buffer in self._buffers]

    def finish(self) -> None:
        """See `RowSink.finish`."""
        if self._rows:
            self._write(*(buffer[: self._rows] for buffer in self._buffers))
            self._rows = 0
