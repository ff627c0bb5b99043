"""The planner: one tile if it fits the memory budget, otherwise the tiles with the least computation."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright._core import TilePlan
from tilewright.engine import planner
from tilewright.engine.planner import Demand, plan_tiles
from tilewright.errors import ModelError, TilewrightError
from tilewright.models.spec import ModelSpec

SHALLOW = ModelSpec(name="shallow", scale=4, halo=18, bytes_per_pixel=600.0)
DEEP = ModelSpec(name="deep", scale=4, halo=72, feather=16, receptive_radius=300, bytes_per_pixel=8000.0)
EVEN = ModelSpec(name="even", scale=2, halo=10, multiple_of=4, minimum=32, bytes_per_pixel=600.0)

GRID = ModelSpec(name="grid", scale=4, halo=38, grid=4, bytes_per_pixel=600.0)
EVEN_GRID = ModelSpec(name="even grid", scale=2, halo=5, multiple_of=6, grid=4, minimum=30, bytes_per_pixel=600.0)


@pytest.mark.parametrize("spec", [SHALLOW, DEEP])
def test_picture_within_the_budget_is_one_tile(spec):
    plan = plan_tiles(300, 200, spec, memory_budget=int(300 * 200 * spec.bytes_per_pixel))
    assert (len(plan), plan.tile_width, plan.tile_height) == (1, 300, 200)
    assert plan.redundancy == 1.0


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.sampled_from([SHALLOW, DEEP, EVEN, GRID, EVEN_GRID]),
    st.integers(1, 4000).map(lambda k: k * 1_000_000),
)
@settings(max_examples=300)
def test_tiles_stay_within_the_budget_unless_they_are_the_smallest_possible(width, height, spec, budget):
    plan = plan_tiles(width, height, spec, memory_budget=budget)
    smallest = TilePlan.smallest_tile(halo=spec.halo, feather=spec.feather, multiple=spec.multiple_of, grid=spec.grid)
    unit = math.lcm(spec.multiple_of, spec.grid)
    memory = plan.tile_width * plan.tile_height * spec.bytes_per_pixel
    assert memory <= budget or max(plan.tile_width, plan.tile_height) <= max(smallest, spec.minimum, 16) + unit - 1
    assert all(plan[column].x.origin % unit == 0 for column in range(plan.columns))
    assert all(plan[row * plan.columns].y.origin % unit == 0 for row in range(plan.rows))
    assert plan.tile_width % spec.multiple_of == plan.tile_height % spec.multiple_of == 0
    assert plan.tile_width >= spec.minimum
    assert plan.tile_height >= spec.minimum
    assert (plan.halo, plan.feather) == (spec.halo, spec.feather)


@given(st.integers(200, 1500), st.integers(200, 1500), st.integers(250, 500), st.sampled_from([SHALLOW, DEEP]))
@settings(max_examples=100)
def test_no_square_tile_within_the_budget_needs_noticeably_less_work(width, height, side, spec):
    plan = plan_tiles(width, height, spec, memory_budget=int(side * side * spec.bytes_per_pixel))
    square = plan_tiles(width, height, spec, tile=side)
    assert work(plan) <= max(work(square), 1.11 * width * height)


def work(plan):
    """Returns the cost of a plan in pixels, with a fixed cost per tile."""
    return len(plan) * (plan.tile_width * plan.tile_height + 1000)


@given(st.integers(1, 12000), st.integers(1, 12000), st.integers(1, 3))
@settings(max_examples=40)
def test_larger_budget_never_needs_noticeably_more_work(width, height, doublings):
    small = plan_tiles(width, height, SHALLOW, memory_budget=50_000_000)
    large = plan_tiles(width, height, SHALLOW, memory_budget=50_000_000 * 2**doublings)
    assert work(large) <= max(work(small), 1.11 * width * height)


def test_memory_that_saves_little_time_is_not_used():
    """Using the whole budget of 4 GiB would save a tenth of the time."""
    demand = Demand(730, band_pixel=3)
    plan = plan_tiles(5312, 2988, SHALLOW, demand=demand, memory_budget=2**32)
    assert demand.bytes_for(plan.tile_width, plan.tile_height, 5312, 4) < 2**29
    assert plan.redundancy <= 1.10


@given(st.integers(1000, 25000), st.integers(1000, 25000), st.sampled_from([0, 3, 8]))
@settings(max_examples=30)
def test_redundancy_of_an_exact_network_is_slight(width, height, band_pixel):
    """Over 10 % only if at most 10 % would take much memory."""
    plan = plan_tiles(width, height, SHALLOW, demand=Demand(730, band_pixel=band_pixel), memory_budget=2**32)
    assert plan.redundancy <= 1.15
    assert plan.redundancy <= 1.10 or width * height > 5_000_000


def memory_of(plan, demand):
    return demand.bytes_for(plan.tile_width, plan.tile_height, plan.width, SHALLOW.scale)


def test_sixteen_megapixels_in_float32_stay_below_600_mb():
    demand = Demand(1304, band_pixel=3)  # realesr-animevideov3 on OpenVINO: activations and the tiles in flight
    plan = plan_tiles(4096, 4096, SHALLOW, demand=demand, memory_budget=2**32)
    assert memory_of(plan, demand) < 500 * 2**20
    assert plan.redundancy <= 1.15


def test_picture_that_needs_little_memory_is_one_tile():
    plan = plan_tiles(640, 480, SHALLOW, demand=Demand(730, band_pixel=3), memory_budget=2**32)
    assert len(plan) == 1


def test_network_that_is_not_exact_gets_the_whole_picture_if_the_budget_allows_it():
    plan = plan_tiles(700, 700, DEEP, memory_budget=2**32)
    assert len(plan) == 1
    assert len(plan_tiles(700, 700, DEEP, memory_budget=2**31)) > 1


def test_network_that_averages_gets_as_few_tiles_as_possible():
    averaging = ModelSpec(name="averaging", scale=2, halo=20, feather=32, bytes_per_pixel=3000.0)
    budget = 3_000_000_000
    plan = plan_tiles(3000, 2000, averaging, memory_budget=budget)
    bounded = replace(averaging, receptive_radius=60)
    assert len(plan) < len(plan_tiles(3000, 2000, bounded, memory_budget=budget))
    assert plan.tile_width * plan.tile_height * averaging.bytes_per_pixel <= budget


def test_memory_of_bands_makes_tiles_wide():
    """Wide tiles make low bands, which take less memory."""
    flat = plan_tiles(20000, 20000, SHALLOW, demand=Demand(600, band_pixel=8), memory_budget=2**30)
    square = plan_tiles(20000, 20000, SHALLOW, demand=Demand(600), memory_budget=2**30)
    assert flat.tile_width / flat.tile_height > square.tile_width / square.tile_height


def test_redundancy_of_a_large_picture_within_one_gibibyte_is_at_most_ten_percent():
    plan = plan_tiles(4096, 4096, SHALLOW, memory_budget=2**30)
    assert plan.redundancy <= 1.10


def test_tile_argument_is_clamped_to_the_picture_and_the_smallest_tile():
    assert plan_tiles(1000, 1000, SHALLOW, tile=256).tile_width == 256
    assert plan_tiles(100, 1000, SHALLOW, tile=256).tile_width == 100
    assert plan_tiles(1000, 1000, SHALLOW, tile=1).tile_width == TilePlan.smallest_tile(halo=18, feather=0, multiple=1)
    assert plan_tiles(1000, 1000, EVEN, tile=101).tile_width == 104


def test_tiny_picture_gets_a_tile_of_the_minimum_size():
    plan = plan_tiles(3, 1, EVEN)
    assert (plan.tile_width, plan.tile_height, len(plan)) == (32, 32, 1), "the minimum of the network"
    plan = plan_tiles(3, 40, SHALLOW)
    assert (plan.tile_width, plan.tile_height, len(plan)) == (16, 40, 1)


def test_network_of_fixed_size_gets_tiles_of_that_size():
    fixed = ModelSpec(name="fixed", scale=4, halo=8, fixed_size=(64, 96))
    plan = plan_tiles(200, 200, fixed)
    assert (plan.tile_width, plan.tile_height) == (96, 64)
    assert plan_tiles(5, 5, fixed).tile_width == 96
    with pytest.raises(ModelError, match="fixed takes only 96 × 64 pixels: tile height 64 is too small for halo 40"):
        plan_tiles(200, 200, ModelSpec(name="fixed", scale=4, halo=40, fixed_size=(64, 96)))


@pytest.mark.parametrize(
    ("name", "value"), [("tile", 0), ("memory_budget", -5), ("tile", 64.5), ("memory_budget", "1")]
)
def test_arguments_that_are_not_positive_integers_are_refused(name, value):
    with pytest.raises(TilewrightError, match=f"{name} must be a positive integer, not {value!r}"):
        plan_tiles(10, 10, SHALLOW, **{name: value})


@pytest.mark.parametrize(("width", "height"), [(1, 150_000), (150_000, 1), (2, 400_000)])
def test_narrow_picture_takes_no_more_memory_than_a_wider_one(width, height):
    """It is extended to 16 pixels. If that counted as redundancy, the planner would use the whole budget."""
    demand = Demand(730, band_pixel=3)
    plan = plan_tiles(width, height, SHALLOW, demand=demand, memory_budget=2**32)
    assert demand.bytes_for(plan.tile_width, plan.tile_height, width, 4) <= 448 * 2**20
    assert len(plan) * plan.tile_width * plan.tile_height <= 1.1 * max(width, 16) * max(height, 16)


@pytest.fixture
def memory(monkeypatch):
    """Sets the default and the extended memory budget, in MB."""

    def set_budgets(default, extended):
        monkeypatch.setattr(planner, "default_memory_budget", lambda: default * 10**6)
        monkeypatch.setattr(planner, "extended_memory_budget", lambda: extended * 10**6)

    return set_budgets


def test_a_deep_network_takes_more_of_the_free_memory(memory):
    memory(1000, 1000)
    assert plan_tiles(1920, 1080, DEEP).redundancy > 2.5
    memory(1000, 16_000)
    plan = plan_tiles(1920, 1080, DEEP)
    assert plan.redundancy <= 1.25
    assert plan.tile_width * plan.tile_height * DEEP.bytes_per_pixel < 0.7 * 16e9, "no more memory than it takes"
    memory(1000, 4000)
    assert 1.25 < plan_tiles(1920, 1080, DEEP).redundancy < 1.6


def test_only_plans_of_high_redundancy_take_more_memory(memory):
    memory(450, 16_000)
    plan, same = plan_tiles(5312, 2988, SHALLOW), plan_tiles(5312, 2988, SHALLOW, memory_budget=450 * 10**6)
    assert (plan.tile_width, plan.tile_height) == (same.tile_width, same.tile_height)


def test_a_budget_from_the_caller_is_never_extended(memory):
    memory(1000, 16_000)
    plan = plan_tiles(1920, 1080, DEEP, memory_budget=10**9)
    assert plan.tile_width * plan.tile_height * DEEP.bytes_per_pixel <= 10**9


@pytest.mark.parametrize(("tile", "raised"), [(1, True), (200, False)])
def test_a_tile_that_multiplies_the_work_is_worth_a_warning(tile, raised):
    plan = plan_tiles(2000, 1000, DEEP, tile=tile)
    warning = planner.tile_warning(plan, DEEP, tile)
    assert f"tiles of {plan.tile_width} x {plan.tile_height} pixels" in warning
    assert f"compute {plan.redundancy:.1f} pixels for each one needed" in warning
    assert ("is less than the network takes" in warning) == raised
    better = int(re.search("choose ([0-9]+) or more", warning)[1])
    assert planner.tile_warning(plan_tiles(2000, 1000, DEEP, tile=better), DEEP, better) is None


def test_other_tiles_are_worth_no_warning():
    assert planner.tile_warning(plan_tiles(2000, 1000, SHALLOW, tile=100), SHALLOW, 100) is None
    assert planner.tile_warning(plan_tiles(20, 10, DEEP, tile=1), DEEP, 1) is None, "one tile holds the picture"
    assert planner.tile_warning(plan_tiles(2000, 1000, DEEP, memory_budget=1), DEEP, None) is None


def test_a_small_memory_budget_is_named_in_the_warning():
    plan = plan_tiles(2000, 1000, DEEP, memory_budget=100)
    warning = planner.tile_warning(plan, DEEP, None, 100)
    assert warning.startswith("the memory budget (TILEWRIGHT_MEMORY_BUDGET) of 100 bytes is small: its tiles of ")
    assert f"compute {plan.redundancy:.1f} pixels for each one needed" in warning
    assert planner.tile_warning(plan_tiles(2000, 1000, DEEP, memory_budget=10**12), DEEP, None, 10**12) is None
