"""Buffers that are kept from one picture to the next."""

from __future__ import annotations

from typing import Generic, TypeVar

_B = TypeVar("_B")


class BufferPool(Generic[_B]):
    """Keeps the buffers of the previous picture for the next one.

    New memory is slow: the system clears it when it is first touched, and pinned memory has to be
    registered. While a picture uses the buffers the pool is empty, so a second picture that starts
    meanwhile makes its own.
    """

    def __init__(self) -> None:
        """Starts empty."""
        self._buffers: list[_B] = []

    def take(self) -> list[_B]:
        """Returns the kept buffers, whose content is undefined, and leaves the pool empty."""
        buffers, self._buffers = self._buffers, []
        return buffers

    def keep(self, buffers: list[_B]) -> None:
        """Keeps buffers for the next picture."""
        self._buffers = buffers

    def clear(self) -> None:
        """Frees the kept buffers."""
        self._buffers = []
