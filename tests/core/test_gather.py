"""Gather gives the bytes of the NumPy reference on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import reference
from support.grid import ISAS, SAMPLES, VALUE_RANGES, WIDTHS, plans, random_picture
from tilewright import _core

# Channel maps to test for pictures with each number of channels.
CHANNELS = {
    1: [(0, 0, 0), (0,)],
    2: [(0, 0, 0), (1,)],
    3: [(0, 1, 2), (2, 1, 0), (1, 1, 1), (0, 2)],
    4: [(0, 1, 2), (3, 3, 3), (3,), (0, 1, 3)],
    5: [(4, 1, 0)],
}


def gather(picture, plan, tiles, isa, **options):
    planes = len(options.get("channels", (0, 1, 2)))
    batch = np.full((len(tiles), planes, plan.tile_height, plan.tile_width), np.nan, np.float32)
    _core.gather(picture, plan, tiles.start, batch, isa=isa, **options)
    return batch


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_equals_numpy_for_every_type_channel_map_range_and_width(isa, sample, channels):
    for width in WIDTHS:
        picture = random_picture(3, width, channels, sample, padding=3)
        plan = _core.TilePlan(width, 3, tile_width=width + 2, tile_height=5)
        for channel_map in CHANNELS[channels]:
            for value_range in VALUE_RANGES:
                got = gather(picture, plan, range(1), isa, channels=channel_map, value_range=value_range)
                want = reference.gather(picture, plan, 0, channel_map, value_range)
                np.testing.assert_array_equal(got[0], want)


@pytest.mark.parametrize("isa", ISAS)
@given(plan=plans(longest=120), data=st.data())
@settings(max_examples=60, deadline=None)
def test_equals_numpy_for_any_tile_of_any_plan(isa, plan, data):
    picture = random_picture(plan.height, plan.width, 3, np.uint8)
    first = data.draw(st.integers(0, len(plan) - 1))
    tiles = range(first, first + data.draw(st.integers(1, min(3, len(plan) - first))))
    for index, got in zip(tiles, gather(picture, plan, tiles, isa), strict=True):
        np.testing.assert_array_equal(got, reference.gather(picture, plan, index, (0, 1, 2), (0.0, 1.0)))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_quotient_of_every_sample_is_correctly_rounded(isa, sample, channels):
    """Tests all levels, because some kernels multiply by a reciprocal instead."""
    levels = np.arange(np.iinfo(sample).max + 1, dtype=sample)
    picture = np.repeat(levels, channels).reshape(1, -1, channels)
    plan = _core.TilePlan(len(levels), 1, tile_width=len(levels), tile_height=1)
    planes = tuple(range(min(channels, 3)))
    for value_range in VALUE_RANGES:
        got = gather(picture, plan, range(1), isa, channels=planes, value_range=value_range)
        want = reference.gather(picture, plan, 0, planes, value_range)
        np.testing.assert_array_equal(got[0].view(np.uint32), want.view(np.uint32))


@pytest.mark.parametrize("shape", [(1, 6, 1), (6, 1, 3), (1, 1, 4), (5, 6, 1)])
def test_strides_of_axes_of_length_one_are_ignored(shape):
    picture = random_picture(*shape, np.uint8)
    strides = [0 if length == 1 else stride for length, stride in zip(shape, picture.strides, strict=True)]
    odd = np.lib.stride_tricks.as_strided(picture, shape, strides)
    height, width, channels = shape
    plan = _core.TilePlan(width, height, tile_width=width, tile_height=height)
    last = (channels - 1,)
    got = gather(odd, plan, range(1), None, channels=last)
    np.testing.assert_array_equal(got[0], reference.gather(picture, plan, 0, last, (0, 1)))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("side", [17, 67])
def test_nothing_but_the_batch_is_written(isa, side):
    picture = random_picture(160, 160, 3, np.uint8)
    plan = _core.TilePlan(160, 160, tile_width=side, tile_height=side)
    guarded = np.full((4, 3, side, side), 7.0, np.float32)
    _core.gather(picture, plan, 1, guarded[1:3], isa=isa)
    assert (guarded[[0, 3]] == 7.0).all()
    assert (guarded[1:3] <= 1.0).all()


PLAN = _core.TilePlan(8, 6, tile_width=8, tile_height=6)
PICTURE = np.zeros((6, 8, 3), np.uint8)
BATCH = np.zeros((1, 3, 6, 8), np.float32)
UNALIGNED = np.frombuffer(bytes(6 * 8 * 3 * 2 + 1), np.uint16, offset=1).reshape(6, 8, 3)
READ_ONLY = BATCH.copy()
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"picture": PICTURE.astype(np.int8)}, TypeError, "picture must be uint8 or uint16, not int8"),
        ({"picture": PICTURE.astype(">u2")}, TypeError, "picture must be uint8 or uint16, not >u2"),
        (
            {"picture": PICTURE[:, :, 0]},
            ValueError,
            r"picture must have shape \[height, width, channels\], not \[6, 8\]",
        ),
        ({"picture": np.zeros((6, 16, 3), np.uint8)[:, ::2]}, ValueError, "picture must have adjacent samples"),
        ({"picture": PICTURE[::-1]}, ValueError, "picture must have adjacent samples"),
        ({"picture": np.zeros((6, 9, 3), np.uint8)}, ValueError, "picture is 9 x 6, but the plan is for 8 x 6"),
        ({"batch": BATCH.astype(np.float64)}, TypeError, "batch must be float32, not float64"),
        ({"batch": BATCH.astype(np.float16)}, TypeError, "batch must be float32, not float16"),
        ({"batch": BATCH[:, :2]}, ValueError, r"batch must have shape \[1, 3, 6, 8\], not \[1, 2, 6, 8\]"),
        ({"batch": np.zeros((1, 3, 8, 6), np.float32).swapaxes(2, 3)}, ValueError, "batch must be C-contiguous"),
        ({"batch": READ_ONLY}, ValueError, "batch must be writeable"),
        ({"first": 1}, ValueError, "a batch of 1 from tile 1 is not within the plan's 1 tiles"),
        ({"first": 2**63 - 1}, ValueError, "is not within the plan's 1 tiles"),
        ({"picture": UNALIGNED}, ValueError, "picture must be aligned to its element size"),
        ({"channels": (0, 1, 3)}, ValueError, r"channels must be channels of the picture \(0 to 2\), not 3"),
        ({"isa": "mmx"}, ValueError, "unknown isa 'mmx': use scalar, avx2 or avx512"),
    ],
)
def test_unsuitable_arguments_are_rejected(arguments, error, message):
    keywords = {"picture": PICTURE, "plan": PLAN, "first": 0, "batch": BATCH} | arguments
    with pytest.raises(error, match=message):
        _core.gather(**keywords)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("height", [12, 13, 15, 16])
def test_bands_leave_the_rows_below_the_picture_alone(isa, height):
    """A last band of few rows has nothing that could be mirrored into it."""
    picture = random_picture(height, 20, 3, np.uint8)
    plan = _core.TilePlan.bands(20, height, 6)
    for index in range(plan.rows):
        [batch] = gather(picture, plan, range(index, index + 1), isa)
        rows = picture[index * 6 : index * 6 + 6]
        np.testing.assert_array_equal(batch[:, : len(rows)], rows.transpose(2, 0, 1) / np.float32(255))
        assert np.isnan(batch[:, len(rows) :]).all()
