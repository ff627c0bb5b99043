"""The roof for kernels that do little but move bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from turns import Step

NAMED = "copying as many bytes"


def copy_of(bytes_moved: int, sets: int) -> Step:
    """A plain copy that reads and writes `bytes_moved` bytes together, on one core.

    It goes through as many buffers in turn as the kernel does, so that neither finds more in the caches.
    """
    sources = np.ones((sets, bytes_moved // 2), np.uint8)
    targets = np.zeros_like(sources)

    def step(number: int) -> None:
        np.copyto(targets[number % sets], sources[number % sets])

    for number in range(sets):  # memory is only there once it was written
        step(number)
    return step
