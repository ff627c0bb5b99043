"""What a caller hears while tiles run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Before the first tile, and after every one.

    Attributes:
        done: tiles done.
        total: tiles of the picture, alpha's included.
        rows: output rows that are finished, from the top.
        pixels: input pixels the network has seen so far, halos included.
    """

    done: int
    total: int
    rows: int
    pixels: int


# Called before the first tile and after every one, on the thread that runs them. An exception raised here stops the
# work and reaches the caller.
OnProgress = Callable[[Progress], None]
