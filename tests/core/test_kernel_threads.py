"""Kernels on several threads at once give what they give on one: what ThreadSanitizer watches.

The pipeline gathers and blends on one thread while the network runs on another and the PNG writer's threads deflate;
several pictures may be at different stages.
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


def at_once(work):
    """What a function gives for 0, 1, … on as many threads, all begun at the same moment."""
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
def test_tiles_of_one_picture_are_gathered_by_one_plan(isa, sample):
    picture = random_picture(150, 190, 3, sample)
    plan = plan_of(picture)

    def gathered(first):
        batches = np.empty((len(plan), 3, 40, 48), np.float32)
        for index in range(first, first + len(plan)):
            _core.gather(picture, plan, index % len(plan), batches[index % len(plan)][np.newaxis], isa=isa)
        return batches

    want = gathered(0)
    for _ in range(ROUNDS):
        for got in at_once(gathered):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", [np.uint8, np.uint16])
@pytest.mark.parametrize("shuffle", [1, 2])
def test_pictures_are_blended_by_one_plan(isa, sample, shuffle):
    """Every thread has a canvas and a target of its own; plan, results and bases are everybody's."""
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
        for got in at_once(blended):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", ISAS)
def test_one_tile_is_gathered_while_another_is_blended(isa):
    """As in the pipeline: nothing but plan and picture is shared."""
    picture = random_picture(90, 110, 3, np.uint8)
    plan = plan_of(picture)

    def enlarged(number):
        """Threads with odd numbers do the same work in another order."""
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
        for got in at_once(enlarged):
            np.testing.assert_array_equal(got, picture.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("isa", ISAS)
def test_strips_are_filtered_and_deflated(isa):
    picture = random_picture(60, 200, 3, np.uint8) // 32 * 8

    def strip(_=0):
        above, filtered = np.zeros(600, np.uint8), np.empty((60, 601), np.uint8)
        _core.png_filter(picture, above, filtered, isa=isa)
        return filtered.tobytes() + _core.deflate_runs(filtered.reshape(-1))

    want = strip()
    for _ in range(ROUNDS):
        assert at_once(strip) == [want] * THREADS
