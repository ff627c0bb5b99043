"""Gather on a CUDA device, emulated or real, gives the core's bytes and writes each once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.device import LAYOUTS
from support.grid import ELEMENTS, SAMPLES, VALUE_RANGES, WIDTHS, plans, random_picture
from tilewright import _core

# Channel maps to test for pictures with each number of channels.
CHANNELS = {
    1: [(0, 0, 0), (0,)],
    3: [(0, 1, 2), (2, 1, 0), (0, 2)],
    4: [(0, 1, 2), (3, 3, 3), (0, 1, 3)],
    5: [(4, 1, 0), (0, 1, 2, 3, 4)],
}


def core_gather(picture, plan, tiles, element, **options):
    """Gathers with the core and converts the values with NumPy."""
    planes = len(options.get("channels", (0, 1, 2)))
    batch = np.empty((len(tiles), planes, plan.tile_height, plan.tile_width), np.float32)
    _core.gather(picture, plan, tiles.start, batch, **options)
    with np.errstate(over="ignore"):
        return batch.astype(element)


def assert_same_bytes(got, want):
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got.view(np.uint8), want.view(np.uint8))


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_the_core_for_every_type_layout_channel_map_range_and_width(device, element, sample, channels, layout):
    for width in WIDTHS:
        picture = random_picture(3, width, channels, sample)
        plan = _core.TilePlan(width, 3, tile_width=width + 2, tile_height=5)
        for channel_map in CHANNELS[channels]:
            for value_range in VALUE_RANGES:
                options = {"channels": channel_map, "value_range": value_range}
                got = device.gather(picture, plan, range(1), element, layout=layout, **options)
                assert_same_bytes(got, core_gather(picture, plan, range(1), element, **options))


@pytest.mark.parametrize("layout", LAYOUTS)
@given(plan=plans(longest=120), data=st.data())
@settings(max_examples=60)
def test_equals_the_core_for_any_tiles_of_any_plan(device, layout, plan, data):
    picture = random_picture(plan.height, plan.width, 3, np.uint8)
    first = data.draw(st.integers(0, len(plan) - 1))
    tiles = range(first, first + data.draw(st.integers(1, min(3, len(plan) - first))))
    got = device.gather(picture, plan, tiles, np.float16, layout=layout)
    assert_same_bytes(got, core_gather(picture, plan, tiles, np.float16))


def test_a_batch_may_need_several_launches(device):
    plan = _core.TilePlan(90, 90, tile_width=8, tile_height=8)
    assert len(plan) > 128
    picture = random_picture(90, 90, 3, np.uint8)
    tiles = range(1, len(plan))
    got = device.gather(picture, plan, tiles, np.float16)
    assert_same_bytes(got, core_gather(picture, plan, tiles, np.float16))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tile_may_be_higher_than_a_grid(device, layout):
    """A grid has at most 65535 rows of blocks, and a block has eight rows of threads."""
    height = 8 * 65535 + 9
    plan = _core.TilePlan(1, height, tile_width=1, tile_height=height)
    picture = random_picture(height, 1, 2, np.uint8)
    got = device.gather(picture, plan, range(1), np.float32, layout=layout, channels=(0, 1))
    assert_same_bytes(got, core_gather(picture, plan, range(1), np.float32, channels=(0, 1)))


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_quotient_of_every_sample_is_correctly_rounded(device, sample):
    levels = np.arange(np.iinfo(sample).max + 1, dtype=sample).reshape(1, -1, 1)
    plan = _core.TilePlan(levels.size, 1, tile_width=levels.size, tile_height=1)
    for value_range in VALUE_RANGES:
        options = {"channels": (0,), "value_range": value_range}
        got = device.gather(levels, plan, range(1), np.float32, **options)
        assert_same_bytes(got, core_gather(levels, plan, range(1), np.float32, **options))


def test_every_half_is_rounded_to_nearest_even(device):
    """Tests all 65536 16-bit levels, in ranges that include subnormal and large halves."""
    picture = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    plan = _core.TilePlan(256, 256, tile_width=256, tile_height=256)
    for value_range in [(0.0, 1.0), (0.0, 6e-5), (-1e-6, 1e-6), (-65519.0, 65519.0), (-1e6, 1e6)]:
        options = {"channels": (0,), "value_range": value_range}
        got = device.gather(picture, plan, range(1), np.float16, **options)
        assert_same_bytes(got, core_gather(picture, plan, range(1), np.float16, **options))


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("layout", LAYOUTS)
@given(plan=plans(longest=90), data=st.data())
@settings(max_examples=20)
def test_every_element_is_written_once(emulated, element, layout, plan, data):
    first = data.draw(st.integers(0, len(plan) - 1))
    count = data.draw(st.integers(1, min(70, len(plan) - first)))
    module = emulated.module
    picture, _ = emulated.image(random_picture(plan.height, plan.width, 3, np.uint8))
    shape = (count, 3, plan.tile_height, plan.tile_width)
    buffer = module.DeviceBuffer(int(np.prod(shape)) * np.dtype(element).itemsize + 32)
    batch = module.DeviceTensor(buffer, shape, element, layout=layout, offset=16)
    module.watch(buffer.pointer, buffer.nbytes)
    module.gather(picture, plan, first, batch, emulated.stream)
    writes = module.writes()
    assert (writes[16:-16] == 1).all()
    assert not writes[:16].any()
    assert not writes[-16:].any()


PLAN = _core.TilePlan(8, 6, tile_width=8, tile_height=6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": (6, 9, 3)}, "picture is 9 x 6, but the plan is for 8 x 6"),
        ({"batch": (1, 2, 6, 8)}, r"a tile of the batch must have shape \[1, 3, 6, 8\], not \[1, 2, 6, 8\]"),
        ({"batch": (2, 3, 6, 8)}, "a batch of 2 from tile 0 is not within the plan's 1 tiles"),
        ({"first": 1}, "a batch of 1 from tile 1 is not within the plan's 1 tiles"),
        ({"channels": (0, 1, 3)}, r"channels must be channels of the picture \(0 to 2\), not 3"),
        ({"channels": ()}, "channels must not be empty"),
        ({"channels": (0,) * 17, "batch": (1, 17, 6, 8)}, "channels must have at most 16 entries, not 17"),
        ({"value_range": (0.0, np.inf)}, "value_range must be finite"),
    ],
)
def test_unsuitable_arguments_are_rejected(device, change, message):
    picture = device.image(np.zeros(change.pop("picture", (6, 8, 3)), np.uint8))[0]
    batch = device.tensor(np.zeros(change.pop("batch", (1, 3, 6, 8)), np.float32))
    with pytest.raises(ValueError, match=message):
        device.module.gather(picture, PLAN, change.pop("first", 0), batch, device.stream, **change)
