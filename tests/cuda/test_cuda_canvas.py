"""The canvas on a CUDA device, emulated or real, gives the core's bytes and writes each once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.device import LAYOUTS, DeviceCanvas
from support.grid import ELEMENTS, SAMPLES, VALUE_RANGES, WIDTHS, plans
from tilewright import _core

PLANES_AND_CHANNELS = [(3, 3), (3, 1), (1, 1)]


def random_tiles(plan, planes, element, scale=1, seed=0):
    """Returns results ``[planes, h, w]`` that exceed the range at both ends, to test clamping."""
    rng = np.random.default_rng(seed)
    shape = (planes, plan.tile_height * scale, plan.tile_width * scale)
    return [rng.uniform(-0.2, 1.2, shape).astype(element) for _ in range(len(plan))]


def blend_all(canvas, plan, results, target, bases=None, **options):
    """Blends all tiles into ``target`` [H, W, channels]. Returns the non-finite count of each tile."""
    counts = []
    for index, result in enumerate(results):
        begin, end = canvas.band(index // plan.columns)
        added = {} if bases is None else {"base": bases[index]}
        counts.append(canvas.blend(index, result, target[begin:end], 0, target.shape[2], **added, **options))
    return counts


def assert_same_blends(device, plan, results, *, scale, sample, channels, layout="NCHW", bases=None, **options):
    """Checks that a device's canvas and the core's give the same samples and counts."""
    want = np.full((plan.height * scale, plan.width * scale, channels), 99, sample)
    got = want.copy()
    float_bases = None if bases is None else [base.astype(np.float32) for base in bases]
    counts = blend_all(_core.Canvas(plan, scale, **options), plan, results, want, float_bases)
    device_canvas = DeviceCanvas(device, plan, scale, **options)
    assert blend_all(device_canvas, plan, results, got, bases, layout=layout) == counts
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("layout", LAYOUTS)
@given(
    plan=plans(longest=90),
    scale=st.integers(1, 4),
    value_range=st.sampled_from(VALUE_RANGES),
    planes_and_channels=st.sampled_from(PLANES_AND_CHANNELS),
)
@settings(max_examples=15)
def test_equals_the_core_for_any_plan(device, element, sample, layout, plan, scale, value_range, planes_and_channels):
    planes, channels = planes_and_channels
    results = random_tiles(plan, planes, element, scale)
    options = {"planes": planes, "value_range": value_range}
    assert_same_blends(device, plan, results, scale=scale, sample=sample, channels=channels, layout=layout, **options)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("layout", LAYOUTS)
@given(
    plan=plans(longest=60),
    scale=st.sampled_from([2, 3, 4, 5, 8]),
    base=st.sampled_from([None, np.float16, np.float32]),
    planes_and_channels=st.sampled_from(PLANES_AND_CHANNELS),
)
@settings(max_examples=15)
def test_a_shuffle_equals_the_core_for_any_plan(
    device, element, sample, layout, plan, scale, base, planes_and_channels
):
    planes, channels = planes_and_channels
    results = random_tiles(plan, planes * scale**2, element)
    bases = None if base is None else random_tiles(plan, planes, base, seed=1)
    options = {"planes": planes, "shuffle": scale, "adds_base": base is not None}
    assert_same_blends(
        device, plan, results, scale=scale, sample=sample, channels=channels, layout=layout, bases=bases, **options
    )


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shuffle", [1, 2, 4])
def test_equals_the_core_for_every_width_and_first_channel(device, element, sample, layout, shuffle):
    for width in WIDTHS:
        plan = _core.TilePlan(width, 2, tile_width=width, tile_height=2)
        for planes, target_channels, channels in [(3, 3, 3), (3, 4, 3), (3, 5, 3), (3, 2, 1), (1, 1, 1), (1, 4, 1)]:
            result = random_tiles(plan, planes * shuffle**2, element, seed=width)[0]
            options = {"planes": planes, "shuffle": shuffle}
            target = np.full((2 * shuffle, width * shuffle, target_channels), 77, sample)
            want = target.copy()
            first = target_channels - channels
            _core.Canvas(plan, shuffle, **options).blend(0, result, want, first, channels)
            canvas = DeviceCanvas(device, plan, shuffle, **options)
            canvas.blend(0, result, target, first, channels, layout=layout)
            np.testing.assert_array_equal(target, want)


def test_a_tile_may_be_higher_than_a_grid(device):
    """A grid has at most 65535 rows of blocks, and a block has eight rows of threads."""
    height = 8 * 65535 + 9
    plan = _core.TilePlan(1, height, tile_width=1, tile_height=height)
    result = random_tiles(plan, 1, np.float32)
    assert_same_blends(device, plan, result, scale=1, sample=np.uint8, channels=1, planes=1)


@pytest.mark.parametrize("feather", [0, 8])
def test_every_half_is_read_exactly(device, feather):
    """Tests all 65536 halves, in ranges where subnormal and where large halves matter."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(1, 256, 256)
    plan = _core.TilePlan(512, 256, tile_width=256 + feather // 2, tile_height=256, feather=feather)
    results = [np.resize(np.roll(halves, shift, 2), (1, 256, plan.tile_width)) for shift in (0, 3)]
    finite = [np.where(np.isfinite(result), result, np.float16(1)) for result in results]
    for value_range in [(0.0, 1.0), (0.0, 6e-5), (-65504.0, 65504.0)]:
        options = {"planes": 1, "value_range": value_range}
        assert_same_blends(device, plan, finite, scale=1, sample=np.uint16, channels=1, **options)
    target = np.zeros((256, 512, 1), np.uint16)
    counts = blend_all(DeviceCanvas(device, plan, 1, planes=1), plan, results, target)
    assert counts == [np.count_nonzero(~np.isfinite(result)) for result in results]


@pytest.mark.parametrize("sample", SAMPLES)
def test_ties_and_ranges_with_an_infinite_gain_equal_the_core(device, sample):
    levels = np.array([-3.0, -0.0, 0.49999997, 0.5, 1.5, 2.5, 254.5, 254.50002, 255.4, 3e9], np.float32)
    levels = np.resize(levels, (1, 1, 130))
    plan = _core.TilePlan(130, 1, tile_width=130, tile_height=1)
    for value_range in [(0.0, 255.0), (0.0, 65535.0), (0.0, 1e-39)]:
        options = {"planes": 1, "value_range": value_range}
        assert_same_blends(device, plan, [levels], scale=1, sample=sample, channels=1, **options)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize(("shuffle", "adds_base"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("channels", [1, 3])
@given(plan=plans(longest=60), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_nonfinite_values_are_counted_as_in_the_core(device, element, shuffle, adds_base, channels, plan, seed):
    """Values in the halo do not count."""
    rng = np.random.default_rng(seed)
    results = random_tiles(plan, 3 * shuffle**2, element, 2 // shuffle)
    bases = random_tiles(plan, 3, np.float32, seed=1) if adds_base else None
    for tile in [*results, *(bases or [])]:
        nonfinite = rng.random(tile.shape) < 0.02
        tile[nonfinite] = rng.choice([np.nan, np.inf, -np.inf], np.count_nonzero(nonfinite))
    options = {"shuffle": shuffle, "adds_base": adds_base}
    target = np.zeros((plan.height * 2, plan.width * 2, channels), np.uint8)
    want = blend_all(_core.Canvas(plan, 2, **options), plan, results, target, bases)
    assert blend_all(DeviceCanvas(device, plan, 2, **options), plan, results, target, bases) == want


@given(plan=plans(longest=90), data=st.data())
@settings(max_examples=40)
def test_a_tile_can_be_blended_again(device, plan, data):
    """A non-finite float16 result leaves no trace after the tile is blended again from float32."""
    results = random_tiles(plan, 3, np.float32, 2)
    want = np.zeros((plan.height * 2, plan.width * 2, 3), np.uint8)
    blend_all(_core.Canvas(plan, 2), plan, results, want)
    repeated = data.draw(st.integers(0, len(plan) - 1))
    canvas = DeviceCanvas(device, plan, 2)
    got = np.zeros_like(want)
    for index, result in enumerate(results):
        begin, end = canvas.band(index // plan.columns)
        if index == repeated:
            nonfinite = np.full_like(result, np.nan, np.float16)
            assert canvas.blend(index, nonfinite, got[begin:end], layout="NHWC") > 0
        assert canvas.blend(index, result, got[begin:end]) == 0
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("sample", SAMPLES)
@given(
    plan=plans(longest=60),
    scale=st.integers(1, 4),
    planes_and_channels=st.sampled_from(PLANES_AND_CHANNELS),
    other_channels=st.integers(0, 2),
)
@settings(max_examples=40)
def test_every_sample_is_written_once(emulated, sample, plan, scale, planes_and_channels, other_channels):
    """All tiles of a band together write each of its samples once, and no sample of other channels."""
    planes, channels = planes_and_channels
    module = emulated.module
    canvas = module.Canvas(plan, scale, planes=planes)
    count = module.DeviceBuffer(8)
    results = [emulated.tensor(tile[None]) for tile in random_tiles(plan, planes, np.float16, scale)]
    options = {"nonfinite": count, "first_channel": other_channels, "channels": channels}
    for row in range(plan.rows):
        begin, end = canvas.band(row)
        shape = (end - begin, plan.width * scale, channels + other_channels)
        band, buffer = emulated.image(np.zeros(shape, sample))
        module.watch(buffer.pointer, buffer.nbytes)
        for index in range(row * plan.columns, (row + 1) * plan.columns):
            canvas.blend(index, results[index], band, emulated.stream, **options)
        writes = module.writes().reshape(*shape[:2], -1)
        first_byte = other_channels * np.dtype(sample).itemsize
        assert (writes[..., first_byte:] == 1).all()
        assert not writes[..., :first_byte].any()


PLAN = _core.TilePlan(8, 6, tile_width=8, tile_height=6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"index": 1}, IndexError, "tile 1 is out of range for a plan of 1 tiles"),
        ({"result": (1, 3, 11, 16)}, ValueError, r"result must have shape \[1, 3, 12, 16\], not \[1, 3, 11, 16\]"),
        ({"result": (2, 3, 12, 16)}, ValueError, r"result must have shape \[1, 3, 12, 16\], not \[2, 3, 12, 16\]"),
        ({"target": (11, 16, 3)}, ValueError, "target must be the tile's band, 12 rows of 16 pixels, not 11 rows"),
        ({"first_channel": 1}, ValueError, "3 channels from first_channel 1 are not within the target's 3"),
        ({"channels": 2}, ValueError, "channels must be 1 or 3, not 2"),
        ({"nonfinite": 7}, ValueError, "nonfinite must have at least 8 bytes, not 7"),
        ({"base": (1, 3, 6, 8)}, ValueError, "base must be None because the canvas was made with adds_base=False"),
    ],
)
def test_unsuitable_arguments_are_rejected(device, change, error, message):
    canvas = device.module.Canvas(PLAN, 2)
    result = device.tensor(np.zeros(change.pop("result", (1, 3, 12, 16)), np.float32))
    target = device.image(np.zeros(change.pop("target", (12, 16, 3)), np.uint8))[0]
    if "base" in change:
        change["base"] = device.tensor(np.zeros(change["base"], np.float32))
    count = device.buffer(np.zeros(change.pop("nonfinite", 8), np.uint8))
    with pytest.raises(error, match=message):
        canvas.blend(change.pop("index", 0), result, target, device.stream, nonfinite=count, **change)


def test_an_unsuitable_base_is_rejected(device):
    canvas = DeviceCanvas(device, PLAN, 2, shuffle=2, adds_base=True)
    result, target = np.zeros((12, 6, 8), np.float16), np.zeros((12, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="base is required because the canvas was made with adds_base=True"):
        canvas.blend(0, result, target)
    with pytest.raises(ValueError, match=r"base must have shape \[1, 3, 6, 8\], not \[1, 3, 5, 8\]"):
        canvas.blend(0, result, target, base=np.zeros((3, 5, 8), np.float16))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, "scale must be 1 to 64, not 0"),
        ({"planes": 2}, "planes must be 1 or 3, not 2"),
        ({"shuffle": 3}, "shuffle must be 1 or the scale, not 3"),
        ({"value_range": (1.0, 1.0)}, "value_range must be finite, and black must differ from white"),
        ({"plan": _core.TilePlan(2**29, 1, tile_width=2**29, tile_height=1)}, "must be below 2\\^30, not 536870912"),
    ],
)
def test_unsupported_canvases_are_rejected(device, arguments, message):
    with pytest.raises(ValueError, match=message):
        device.module.Canvas(**({"plan": PLAN, "scale": 2} | arguments))


def test_tiles_out_of_order_are_rejected(device):
    plan = _core.TilePlan(64, 8, tile_width=40, tile_height=8, halo=4)
    canvas = DeviceCanvas(device, plan, 1)
    with pytest.raises(ValueError, match="tile 0 is next, not 1"):
        canvas.blend(1, np.zeros((3, 8, 40), np.float32), np.zeros((8, 64, 3), np.uint8))
