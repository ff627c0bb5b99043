"""Kernels give the same results on several threads as on one. ThreadSanitizer runs these tests.

The pipeline gathers and blends on one thread while the network runs on another and the PNG writer's threads compress.
Several pictures may be at different stages.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from support.grid import ISAS, random_picture
from tilewright import _core

THREADS = 4
ROUNDS = 3


def run_concurrently(work):
    """Calls ``work(0)``, ``work(1)``, … on one thread each, all started together. Returns their results."""
    ready = threading.Barrier(THREADS, timeout=60)

    def wait_and_work(number):
        ready.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(wait_and_work, range(THREADS)))


def plan_of(picture, **options):
    height, width, _ = picture.shape
    return _core.TilePlan(width, height, tile_width=48, tile_height=40, halo=6, feather=4, **options)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", [np.uint8, np.uint16])
def test_threads_gather_from_one_picture_with_one_plan(isa, sample):
    picture = random_picture(150, 190, 3, sample)
    plan = plan_of(picture)

    def gathered(first):
        batches = np.empty((len(plan), 3, 40, 48), np.float32)
        for index in range(first, first + len(plan)):
            _core.gather(picture, plan, index % len(plan), batches[index % len(plan)][np.newaxis], isa=isa)
        return batches

    want = gathered(0)
    for _ in range(ROUNDS):
        for got in run_concurrently(gathered):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", [np.uint8, np.uint16])
@pytest.mark.parametrize("shuffle", [1, 2])
def test_threads_blend_with_one_plan(isa, sample, shuffle):
    """Every thread has its own canvas and target. Plan, results and bases are shared."""
    picture = random_picture(90, 110, 3, sample)
    plan = plan_of(picture)
    rng = np.random.default_rng(0)
    planes, enlarged = 3 * shuffle**2, 2 // shuffle
    results = rng.random((len(plan), planes, 40 * enlarged, 48 * enlarged), np.float32)
    bases = rng.random((len(plan), 3, 40, 48), np.float32)

    def blended(_=0):
        canvas = _core.Canvas(plan, 2, shuffle=shuffle, adds_base=shuffle == 2, isa=isa)
        target = np.zeros((180, 220, 3), sample)
        for index in range(len(plan)):
            begin, end = canvas.band(index // plan.columns)
            base = bases[index] if shuffle == 2 else None
            canvas.blend(index, results[index], target[begin:end], base=base)
        return target

    want = blended()
    for _ in range(ROUNDS):
        for got in run_concurrently(blended):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", ISAS)
def test_tiles_are_gathered_while_others_are_blended(isa):
    """Only the plan and the picture are shared, as in the pipeline."""
    picture = random_picture(90, 110, 3, np.uint8)
    plan = plan_of(picture)

    def enlarged(number):
        """Gathers and blends all tiles. Odd numbers gather additional tiles in between."""
        batch = np.empty((1, 3, 40, 48), np.float32)
        canvas, target = _core.Canvas(plan, 2, isa=isa), np.zeros((180, 220, 3), np.uint8)
        for index in range(len(plan)):
            if number % 2:
                _core.gather(picture, plan, len(plan) - 1 - index, batch, isa=isa)
            _core.gather(picture, plan, index, batch, isa=isa)
            begin, end = canvas.band(index // plan.columns)
            canvas.blend(index, batch[0].repeat(2, 1).repeat(2, 2), target[begin:end])
        return target

    for _ in range(ROUNDS):
        for got in run_concurrently(enlarged):
            np.testing.assert_array_equal(got, picture.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("isa", ISAS)
def test_threads_filter_and_compress_rows(isa):
    picture = random_picture(60, 200, 3, np.uint8) // 32 * 8

    def compressed(_=0):
        above, filtered = np.zeros(600, np.uint8), np.empty((60, 601), np.uint8)
        _core.png_filter(picture, above, filtered, isa=isa)
        return filtered.tobytes() + _core.deflate_runs(filtered.reshape(-1))

    want = compressed()
    for _ in range(ROUNDS):
        assert run_concurrently(compressed) == [want] * THREADS
