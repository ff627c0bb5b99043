"""How near is Canvas.blend to a plain copy of the same bytes, how far ahead of NumPy, and what does a feather cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import memcpy
from support import reference
from tilewright import _core

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from turns import InTurns

SCALE = 4
# Results and bands of 37 to 75 MB a pair, one after the other: more than common caches hold.
SETS = 3


def obvious_quantise(result: np.ndarray, target: np.ndarray) -> None:
    """One tile, as one writes it down."""
    white = np.iinfo(target.dtype).max
    levels = (result.astype(np.float32).clip(0, 1) * white).round()
    target[:] = levels.astype(target.dtype).transpose(1, 2, 0)


def numpy_quantise(result: np.ndarray, target: np.ndarray) -> None:
    """One tile; short, and with one temporary picture of floats."""
    white = np.iinfo(target.dtype).max
    levels = result * np.float32(white)
    np.clip(levels, 0, white, out=levels)
    np.rint(levels, out=levels)
    target[:] = levels.astype(target.dtype).transpose(1, 2, 0)


QUANTISE = {"NumPy": numpy_quantise, "obvious NumPy": obvious_quantise}


def blend(plan: _core.TilePlan, results: list[np.ndarray], target: np.ndarray, isa: str) -> None:
    canvas = _core.Canvas(plan, SCALE, isa=isa)
    for index, result in enumerate(results):
        begin, end = canvas.band(index // plan.columns)
        canvas.blend(index, result, target[begin:end])


def random_results(plan: _core.TilePlan, element: str, seed: int) -> list[np.ndarray]:
    """A little beyond the range, as networks' results are."""
    rng = np.random.default_rng(seed)
    shape = (3, plan.tile_height * SCALE, plan.tile_width * SCALE)
    return [(rng.random(shape, np.float32) * 1.1 - 0.05).astype(element) for _ in range(len(plan))]


def values_needed(plan: _core.TilePlan) -> int:
    """Values that have to be read: halos are not, and under a feather those of both tiles are."""
    tiles = [plan[index] for index in range(len(plan))]
    columns = [(tile.x.end + tile.x.trail - tile.x.begin) * SCALE for tile in tiles]
    rows = [(tile.y.end + tile.y.trail - tile.y.begin) * SCALE for tile in tiles]
    return 3 * sum(width * height for width, height in zip(columns, rows, strict=True))


def measure(plan: _core.TilePlan, sample: str, element: str, by: str, in_turns: InTurns) -> None:
    sets = [random_results(plan, element, seed) for seed in range(SETS)]
    targets = [np.zeros((plan.height * SCALE, plan.width * SCALE, 3), sample) for _ in sets]

    def step(number: int) -> None:
        results, target = sets[number % SETS], targets[number % SETS]
        if by not in QUANTISE:
            blend(plan, results, target, by)
        elif len(plan) == 1:
            QUANTISE[by](results[0], target)
        else:
            QUANTISE[by](reference.blend(plan, SCALE, results), target)

    for number in range(SETS):
        step(number)
        whole = reference.blend(plan, SCALE, sets[number]).transpose(1, 2, 0)
        np.testing.assert_array_equal(targets[number], reference.quantise(whole, np.dtype(sample), (0.0, 1.0)))

    moved = targets[0].nbytes + values_needed(plan) * np.dtype(element).itemsize
    against = memcpy.copy_of(moved, SETS)
    in_turns(step, label=by, against=against, named=memcpy.NAMED, rounds=20, bytes_moved=moved)


@pytest.mark.parametrize("by", [*_core.available_isas(), *QUANTISE])
@pytest.mark.parametrize("element", ["float32", "float16"])
@pytest.mark.parametrize("sample", ["uint8", "uint16"])
def bench_one_tile(
    benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool, sample: str, element: str, by: str
) -> None:
    side = 32 if smoke else 512
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    benchmark.group = f"canvas {element} → {sample}, {side}² × {SCALE}"
    measure(plan, sample, element, by, in_turns)


def obvious_tail(head: np.ndarray, base: np.ndarray, target: np.ndarray) -> None:
    """Pixel shuffle, the picture added, and one tile, as one writes them down."""
    planes, height, width = base.shape
    parts = head.astype(np.float32).reshape(planes, SCALE, SCALE, height, width).transpose(0, 3, 1, 4, 2)
    whole = parts.reshape(planes, height * SCALE, width * SCALE)
    obvious_quantise(whole + base.repeat(SCALE, axis=1).repeat(SCALE, axis=2), target)


@pytest.mark.parametrize("by", [*_core.available_isas(), "obvious NumPy"])
def bench_tail(benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool, by: str) -> None:
    """What the pipeline asks of it for a network whose pixel shuffle was cut off."""
    side = 32 if smoke else 512
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    rng = np.random.default_rng(0)
    heads = [(rng.random((3 * SCALE**2, side, side), np.float32) - 0.5).astype(np.float16) for _ in range(SETS)]
    bases = [rng.random((3, side, side), np.float32) for _ in heads]
    targets = [np.zeros((side * SCALE, side * SCALE, 3), np.uint8) for _ in heads]

    def step(number: int) -> None:
        head, base, target = (each[number % SETS] for each in (heads, bases, targets))
        if by == "obvious NumPy":
            obvious_tail(head, base, target)
        else:
            _core.Canvas(plan, SCALE, shuffle=SCALE, adds_base=True, isa=by).blend(0, head, target, base=base)

    for number in range(SETS):
        step(number)
        whole = reference.shuffle(heads[number], SCALE, bases[number]).transpose(1, 2, 0)
        np.testing.assert_array_equal(targets[number], reference.quantise(whole, np.uint8, (0.0, 1.0)))

    benchmark.group = f"canvas with shuffle, float16 → uint8, {side}² × {SCALE}"
    moved = heads[0].nbytes + bases[0].nbytes + targets[0].nbytes
    against = memcpy.copy_of(moved, SETS)
    in_turns(step, label=by, against=against, named=memcpy.NAMED, rounds=20, bytes_moved=moved)


@pytest.mark.parametrize("by", [*_core.available_isas(), "NumPy"])
def bench_feathered_tiles(benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool, by: str) -> None:
    side, tile, feather = (64, 40, 4) if smoke else (512, 192, 16)
    plan = _core.TilePlan(side, side, tile_width=tile, tile_height=tile, halo=8, feather=feather)
    benchmark.group = f"canvas float32 → uint8, {side}² × {SCALE}, {len(plan)} tiles, feather {feather}"
    measure(plan, "uint8", "float32", by, in_turns)
