"""What a caller hears while tiles run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """After a tile.

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


# Called after every tile, on the thread that runs them. An exception raised here stops the work and reaches the caller.
OnProgress = Callable[[Progress], None]
