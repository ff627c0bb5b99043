"""Speed of gather, compared with memcpy and with NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import memcpy
from support import reference
from tilewright import _core

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer

# Pairs of picture and batch used in rotation, of 9 to 19 MB each: together larger than common
# caches.
BUFFERS = 8


def naive_gather(picture: np.ndarray, batch: np.ndarray) -> None:
    """Converts with temporary float arrays."""
    white = np.iinfo(picture.dtype).max
    batch[:] = picture[None].transpose(0, 3, 1, 2).astype(np.float32) / white


def numpy_gather(picture: np.ndarray, batch: np.ndarray) -> None:
    """Converts without a temporary float array."""
    white = np.float32(np.iinfo(picture.dtype).max)
    np.divide(picture.transpose(2, 0, 1), white, out=batch[0], casting="same_kind")


BY_NUMPY = {"NumPy": numpy_gather, "obvious NumPy": naive_gather}


@pytest.mark.parametrize("implementation", [*_core.available_isas(), *BY_NUMPY])
@pytest.mark.parametrize("element", ["float32"])  # kept because recorded results are found by this part of the name
@pytest.mark.parametrize("sample", ["uint8", "uint16"])
def bench_gather(
    benchmark: BenchmarkFixture,
    time_interleaved: InterleavedTimer,
    smoke: bool,
    sample: str,
    element: str,
    implementation: str,
) -> None:
    """A whole picture as one tile."""
    side = 64 if smoke else 1024
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, np.iinfo(sample).max, (side, side, 3), sample, endpoint=True) for _ in range(BUFFERS)]
    batches = [np.empty((1, 3, side, side), element) for _ in pictures]

    def step(number: int) -> None:
        picture, batch = pictures[number % BUFFERS], batches[number % BUFFERS]
        if implementation in BY_NUMPY:
            BY_NUMPY[implementation](picture, batch)
        else:
            _core.gather(picture, plan, 0, batch, isa=implementation)

    for number in range(BUFFERS):
        step(number)
        want = reference.gather(pictures[number], plan, 0, (0, 1, 2), (0.0, 1.0))
        np.testing.assert_array_equal(batches[number][0], want)

    benchmark.group = f"gather {sample} → {element}, {side}²"
    moved = pictures[0].nbytes + batches[0].nbytes
    baseline = memcpy.copy_baseline(moved, BUFFERS)
    time_interleaved(step, label=implementation, baseline=baseline, rounds=40, bytes_moved=moved)
