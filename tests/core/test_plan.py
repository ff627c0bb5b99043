"""The geometry of tile plans."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings

from support.grid import plans
from tilewright._core import TilePlan


def axes(plan: TilePlan):
    columns = [plan[i].x for i in range(plan.columns)]
    rows = [plan[i * plan.columns].y for i in range(plan.rows)]
    return [(columns, plan.width, plan.tile_width), (rows, plan.height, plan.tile_height)]


@given(plans())
@settings(max_examples=300)
def test_owned_pixels_cover_the_picture_exactly_once(plan):
    for spans, size, _ in axes(plan):
        assert spans[0].begin == 0
        assert spans[-1].end == size
        for before, after in itertools.pairwise(spans):
            assert before.end == after.begin
        for span in spans:
            assert span.end > span.begin


@given(plans())
@settings(max_examples=300)
def test_outer_tiles_are_aligned_with_the_borders_and_origins_are_multiples(plan):
    for spans, size, tile in axes(plan):
        padded = -(-size // plan.multiple) * plan.multiple
        assert spans[0].origin == 0
        if len(spans) > 1:
            assert spans[-1].origin + tile == padded
        assert all(span.origin % plan.multiple == 0 for span in spans)
        assert tile % plan.multiple == 0


@given(plans())
@settings(max_examples=300)
def test_every_inner_edge_has_a_halo_and_a_feather(plan):
    for spans, _, tile in axes(plan):
        for before, after in itertools.pairwise(spans):
            assert before.trail == after.lead == plan.feather
            # The used part of either tile ends at least one halo before its cut edge.
            assert before.origin + tile - (before.end + before.trail) >= plan.halo
            assert after.begin - after.origin >= plan.halo
        assert spans[0].lead == 0
        assert spans[-1].trail == 0
        for span in spans:
            assert span.end - span.begin >= span.lead, "the feathers of a tile must not overlap"


@given(plans())
@settings(max_examples=200)
def test_the_number_of_tiles_is_minimal(plan):
    for spans, size, tile in axes(plan):
        padded = -(-size // plan.multiple) * plan.multiple
        step = (tile - 2 * plan.halo - plan.feather) // plan.multiple * plan.multiple
        fewest = 1 if tile >= padded else 1 + -(-(padded - tile) // step)
        assert len(spans) == fewest
    assert len(plan) == plan.rows * plan.columns
    assert plan.redundancy == len(plan) * plan.tile_width * plan.tile_height / (plan.width * plan.height)


def test_a_picture_that_fits_in_a_tile_has_one_tile():
    plan = TilePlan(100, 40, tile_width=100, tile_height=40, halo=18, feather=8)
    assert len(plan) == 1
    assert plan.redundancy == 1.0


def test_a_narrow_picture_is_tiled_along_its_length_only():
    plan = TilePlan(5, 3000, tile_width=64, tile_height=256, halo=18)
    assert plan.columns == 1
    assert plan.rows == 14


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "picture size must be 1 to"),
        ({"height": 2**31}, "picture size must be 1 to"),
        ({"tile_width": 0}, "tile size must be 1 to"),
        ({"halo": -1}, "halo must be 0 or more, not -1"),
        ({"feather": -2}, "feather must be 0 or more, not -2"),
        ({"multiple": 0}, "multiple must be 1 or more, not 0"),
        ({"tile_width": 33, "multiple": 4}, "tile size 33 x 32 must be a multiple of 4"),
        ({"halo": 16}, "tile width 32 is too small for halo 16, feather 0, multiple 1: use at least 34"),
    ],
)
def test_lengths_that_admit_no_plan_are_rejected(arguments, message):
    valid = {"width": 100, "height": 100, "tile_width": 32, "tile_height": 32}
    keywords = valid | arguments
    with pytest.raises(ValueError, match=message):
        TilePlan(keywords.pop("width"), keywords.pop("height"), **keywords)


@pytest.mark.parametrize("margins", [(-1, 0, 1), (0, -1, 1), (0, 0, 0), (2**40, 0, 1)])
def test_smallest_tile_rejects_invalid_margins(margins):
    halo, feather, multiple = margins
    with pytest.raises(ValueError, match=r"must be \d or more"):
        TilePlan.smallest_tile(halo=halo, feather=feather, multiple=multiple)


def test_a_tile_index_out_of_range_is_an_index_error():
    plan = TilePlan(10, 10, tile_width=16, tile_height=16)
    with pytest.raises(IndexError, match="tile 1 is out of range for a plan of 1 tiles"):
        plan[1]


@pytest.mark.parametrize(("multiple", "grid", "unit"), [(1, 4, 4), (6, 4, 12), (8, 4, 8)])
def test_origins_are_multiples_of_the_grid(multiple, grid, unit):
    size, tile = 41 * unit, 10 * unit
    plan = TilePlan(size, size, tile_width=tile, tile_height=tile, halo=5, multiple=multiple, grid=grid)
    for spans, _, _ in axes(plan):
        assert len(spans) > 4
        assert all(span.origin % unit == 0 for span in spans)
        for before, after in itertools.pairwise(spans):
            assert before.origin + tile - before.end >= 5 <= after.begin - after.origin


def test_a_tile_that_the_grid_does_not_admit_is_an_error():
    with pytest.raises(ValueError, match="tile width 50 and picture width 103 must differ by a multiple of 4"):
        TilePlan(103, 50, tile_width=50, tile_height=50, halo=3, grid=4)
    with pytest.raises(ValueError, match="grid must be 1 or more, not 0"):
        TilePlan(103, 50, tile_width=50, tile_height=50, grid=0)


@pytest.mark.parametrize(("height", "rows"), [(1, 1), (7, 7), (8, 3), (9, 3), (100, 1)])
def test_bands_cover_the_height_without_overlap(height, rows):
    plan = TilePlan.bands(20, height, rows)
    assert plan.is_bands
    assert (plan.columns, plan.rows, plan.tile_width, plan.tile_height) == (1, -(-height // rows), 20, rows)
    [(columns, _, _), (bands, _, _)] = axes(plan)
    assert [(columns[0].begin, columns[0].end)] == [(0, 20)]
    assert [(band.origin, band.begin, band.end) for band in bands] == [
        (begin, begin, min(begin + rows, height)) for begin in range(0, height, rows)
    ]
    assert plan.redundancy == 1


@pytest.mark.parametrize("rows", [0, 11])
def test_bands_must_fit_the_height(rows):
    with pytest.raises(ValueError, match=f"rows must be 1 to the height, not {rows}"):
        TilePlan.bands(20, 10, rows)
