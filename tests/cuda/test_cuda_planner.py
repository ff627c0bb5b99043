"""Plans for tiles in device memory: few shapes, within the memory budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.engine.cuda.planner import (
    SIDES,
    DeviceDemand,
    batch_size,
    default_device_budget,
    plan_device_tiles,
    smaller_tiles,
)
from tilewright.engine.planner import plan_tiles
from tilewright.errors import TilewrightError
from tilewright.models.spec import ModelSpec

SPEC = ModelSpec(name="any", scale=4, halo=18)
DEMAND = DeviceDemand(picture=0, tile_pixel=1000, band_pixel=9)


def plan(width, height, *, spec=SPEC, demand=DEMAND, tile=None, memory_budget=2**40):
    return plan_device_tiles(width, height, spec, demand=demand, tile=tile, memory_budget=memory_budget)


@given(width=st.integers(SIDES[0], 20_000), height=st.integers(SIDES[0], 20_000))
def test_large_pictures_of_all_sizes_share_one_tile_shape(width, height):
    result = plan(width, height)
    assert (result.tile_width, result.tile_height) == (SIDES[0], SIDES[0])


def test_smaller_picture_is_one_tile():
    assert len(plan(300, 200)) == 1


@given(
    width=st.integers(16, 4000),
    height=st.integers(16, 4000),
    budget=st.integers(10**6, 10**9),
    multiple=st.sampled_from([1, 4]),
)
def test_plans_stay_within_the_budget_unless_tiles_are_the_smallest_possible(width, height, budget, multiple):
    spec = ModelSpec(name="any", scale=4, halo=18, multiple_of=multiple)
    result = plan(width, height, spec=spec, memory_budget=budget)
    if DEMAND.bytes_for(result, 1, 4) > budget:
        assert smaller_tiles(result, spec, height) is None
    count = batch_size(result, 4, len(result), demand=DEMAND, memory_budget=budget)
    assert count == 1 or DEMAND.bytes_for(result, count, 4) <= budget
    assert count <= len(result)


def test_tile_argument_is_used():
    assert plan(2000, 2000, tile=100).tile_width == 100
    with pytest.raises(TilewrightError, match="tile must be a positive integer"):
        plan(10, 10, tile=0)


@given(width=st.integers(16, 3000), height=st.integers(16, 3000), tile=st.integers(1, 700))
def test_smaller_tiles_shrink_until_there_are_none(width, height, tile):
    result, areas = plan_tiles(width, height, SPEC, tile=tile), []
    while result is not None:
        areas.append(result.tile_width * result.tile_height)
        result = smaller_tiles(result, SPEC, height)
    assert areas == sorted(set(areas), reverse=True)


def test_network_of_fixed_size_has_no_smaller_tiles():
    spec = ModelSpec(name="any", scale=2, halo=4, fixed_size=(64, 64))
    result = plan(200, 200, spec=spec)
    assert (result.tile_width, result.tile_height) == (64, 64)
    assert smaller_tiles(result, spec, 200) is None


def test_network_that_averages_gets_the_largest_tiles_within_the_budget():
    spec = ModelSpec(name="any", scale=2, halo=18, feather=16, receptive_radius=None)
    assert len(plan(1500, 1200, spec=spec)) == 1
    assert plan(1500, 1200, spec=spec, memory_budget=10**9).tile_width == 750
    whole = plan(1500, 1200, spec=spec)
    assert smaller_tiles(whole, spec, 1200).tile_width == 750


def test_small_tiles_are_batched():
    result = plan(2000, 2000, tile=128)
    assert batch_size(result, 4, 1000, demand=DEMAND, memory_budget=2**40) == 16
    assert batch_size(result, 4, 3, demand=DEMAND, memory_budget=2**40) == 2
    assert batch_size(plan(2000, 2000), 4, 1000, demand=DEMAND, memory_budget=2**40) == 1


def test_default_budget_is_half_of_the_free_memory():
    class Kernels:
        @staticmethod
        def memory():
            return 1000, 5000

    assert default_device_budget(Kernels) == 500
