"""A plain copy: the upper limit for kernels that do little but move bytes."""

from __future__ import annotations

import numpy as np

from interleaved import Baseline

# Stored in result files; `table` prints it as "memcpy".
NAME = "copying as many bytes"


def copy_baseline(bytes_moved: int, buffers: int) -> Baseline:
    """Returns a copy on one core, with the memory traffic of the kernel under test.

    Args:
        bytes_moved: Bytes read plus bytes written by one call.
        buffers: Number of buffers used in rotation. It must be that of the kernel, so that both
            benefit equally from caches.
    """
    sources = np.ones((buffers, bytes_moved // 2), np.uint8)
    targets = np.zeros_like(sources)

    def step(number: int) -> None:
        np.copyto(targets[number % buffers], sources[number % buffers])

    for number in range(buffers):  # the system allocates pages at the first write
        step(number)
    return Baseline(NAME, step)
