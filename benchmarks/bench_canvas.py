"""Speed of Canvas.blend, compared with memcpy and with NumPy, and the cost of feathers."""

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

SCALE = 4
# Pairs of results and picture used in rotation, of 37 to 75 MB each: together larger than common
# caches.
BUFFERS = 3


def naive_quantise(result: np.ndarray, target: np.ndarray) -> None:
    """Converts one tile with several temporary float arrays."""
    white = np.iinfo(target.dtype).max
    levels = (result.astype(np.float32).clip(0, 1) * white).round()
    target[:] = levels.astype(target.dtype).transpose(1, 2, 0)


def numpy_quantise(result: np.ndarray, target: np.ndarray) -> None:
    """Converts one tile with one temporary float array."""
    white = np.iinfo(target.dtype).max
    levels = result * np.float32(white)
    np.clip(levels, 0, white, out=levels)
    np.rint(levels, out=levels)
    target[:] = levels.astype(target.dtype).transpose(1, 2, 0)


BY_NUMPY = {"NumPy": numpy_quantise, "obvious NumPy": naive_quantise}


def blend(plan: _core.TilePlan, results: list[np.ndarray], target: np.ndarray, isa: str) -> None:
    """Blends all tiles of a picture, band by band."""
    canvas = _core.Canvas(plan, SCALE, isa=isa)
    for index, result in enumerate(results):
        begin, end = canvas.band(index // plan.columns)
        canvas.blend(index, result, target[begin:end])


def random_results(plan: _core.TilePlan, element: str, seed: int) -> list[np.ndarray]:
    """Returns random tiles ``[3, height, width]`` in -0.05..1.05.

    The results of networks exceed 0..1 a little, too.
    """
    rng = np.random.default_rng(seed)
    shape = (3, plan.tile_height * SCALE, plan.tile_width * SCALE)
    return [(rng.random(shape, np.float32) * 1.1 - 0.05).astype(element) for _ in range(len(plan))]


def values_needed(plan: _core.TilePlan) -> int:
    """Returns how many values of the tiles have to be read.

    Halos are not read. Under a feather, both tiles are.
    """
    tiles = [plan[index] for index in range(len(plan))]
    columns = [(tile.x.end + tile.x.trail - tile.x.begin) * SCALE for tile in tiles]
    rows = [(tile.y.end + tile.y.trail - tile.y.begin) * SCALE for tile in tiles]
    return 3 * sum(width * height for width, height in zip(columns, rows, strict=True))


def measure(
    plan: _core.TilePlan, sample: str, element: str, implementation: str, time_interleaved: InterleavedTimer
) -> None:
    """Checks and times one implementation.

    Args:
        plan: Tiles of the picture.
        sample: Dtype of the picture.
        element: Dtype of the tiles.
        implementation: An instruction set or a key of `BY_NUMPY`.
        time_interleaved: The timer.
    """
    sets = [random_results(plan, element, seed) for seed in range(BUFFERS)]
    targets = [np.zeros((plan.height * SCALE, plan.width * SCALE, 3), sample) for _ in sets]

    def step(number: int) -> None:
        results, target = sets[number % BUFFERS], targets[number % BUFFERS]
        if implementation not in BY_NUMPY:
            blend(plan, results, target, implementation)
        elif len(plan) == 1:
            BY_NUMPY[implementation](results[0], target)
        else:
            BY_NUMPY[implementation](reference.blend(plan, SCALE, results), target)

    for number in range(BUFFERS):
        step(number)
        whole = reference.blend(plan, SCALE, sets[number]).transpose(1, 2, 0)
        np.testing.assert_array_equal(targets[number], reference.quantise(whole, np.dtype(sample), (0.0, 1.0)))

    moved = targets[0].nbytes + values_needed(plan) * np.dtype(element).itemsize
    baseline = memcpy.copy_baseline(moved, BUFFERS)
    time_interleaved(step, label=implementation, baseline=baseline, rounds=20, bytes_moved=moved)


@pytest.mark.parametrize("implementation", [*_core.available_isas(), *BY_NUMPY])
@pytest.mark.parametrize("element", ["float32", "float16"])
@pytest.mark.parametrize("sample", ["uint8", "uint16"])
def bench_one_tile(
    benchmark: BenchmarkFixture,
    time_interleaved: InterleavedTimer,
    smoke: bool,
    sample: str,
    element: str,
    implementation: str,
) -> None:
    """A whole picture as one tile."""
    side = 32 if smoke else 512
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    benchmark.group = f"canvas {element} → {sample}, {side}² × {SCALE}"
    measure(plan, sample, element, implementation, time_interleaved)


def naive_tail(head: np.ndarray, base: np.ndarray, target: np.ndarray) -> None:
    """Pixel shuffle, addition of the upscaled input and conversion, with temporary float arrays."""
    planes, height, width = base.shape
    parts = head.astype(np.float32).reshape(planes, SCALE, SCALE, height, width).transpose(0, 3, 1, 4, 2)
    whole = parts.reshape(planes, height * SCALE, width * SCALE)
    naive_quantise(whole + base.repeat(SCALE, axis=1).repeat(SCALE, axis=2), target)


@pytest.mark.parametrize("implementation", [*_core.available_isas(), "obvious NumPy"])
def bench_tail(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, implementation: str
) -> None:
    """One tile of a network whose final pixel shuffle and residual are applied by the canvas."""
    side = 32 if smoke else 512
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    rng = np.random.default_rng(0)
    heads = [(rng.random((3 * SCALE**2, side, side), np.float32) - 0.5).astype(np.float16) for _ in range(BUFFERS)]
    bases = [rng.random((3, side, side), np.float32) for _ in heads]
    targets = [np.zeros((side * SCALE, side * SCALE, 3), np.uint8) for _ in heads]

    def step(number: int) -> None:
        head, base, target = (each[number % BUFFERS] for each in (heads, bases, targets))
        if implementation == "obvious NumPy":
            naive_tail(head, base, target)
        else:
            _core.Canvas(plan, SCALE, shuffle=SCALE, adds_base=True, isa=implementation).blend(
                0, head, target, base=base
            )

    for number in range(BUFFERS):
        step(number)
        whole = reference.shuffle(heads[number], SCALE, bases[number]).transpose(1, 2, 0)
        np.testing.assert_array_equal(targets[number], reference.quantise(whole, np.uint8, (0.0, 1.0)))

    benchmark.group = f"canvas with shuffle, float16 → uint8, {side}² × {SCALE}"
    moved = heads[0].nbytes + bases[0].nbytes + targets[0].nbytes
    baseline = memcpy.copy_baseline(moved, BUFFERS)
    time_interleaved(step, label=implementation, baseline=baseline, rounds=20, bytes_moved=moved)


@pytest.mark.parametrize("implementation", [*_core.available_isas(), "NumPy"])
def bench_feathered_tiles(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, implementation: str
) -> None:
    """Several tiles with cross-fades between them."""
    side, tile, feather = (64, 40, 4) if smoke else (512, 192, 16)
    plan = _core.TilePlan(side, side, tile_width=tile, tile_height=tile, halo=8, feather=feather)
    benchmark.group = f"canvas float32 → uint8, {side}² × {SCALE}, {len(plan)} tiles, feather {feather}"
    measure(plan, "uint8", "float32", implementation, time_interleaved)
