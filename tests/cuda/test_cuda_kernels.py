"""Gather and canvas on a device, emulated or real: the core's bytes, every one of them written once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.device import LAYOUTS, MODULES, Device, DeviceCanvas, module_of
from support.grid import ELEMENTS, SAMPLES, VALUE_RANGES, WIDTHS, plans, random_picture
from tilewright import _core

CHANNELS = {
    1: [(0, 0, 0), (0,)],
    3: [(0, 1, 2), (2, 1, 0), (0, 2)],
    4: [(0, 1, 2), (3, 3, 3), (0, 1, 3)],
    5: [(4, 1, 0), (0, 1, 2, 3, 4)],
}
PLANES_AND_CHANNELS = [(3, 3), (3, 1), (1, 1)]


@pytest.fixture(scope="module", params=MODULES)
def device(request):
    return Device(module_of(request.param))


@pytest.fixture(scope="module")
def emulated():
    """The device that counts what is written to it."""
    return Device(module_of("_cuda_emulated"))


def core_gather(picture, plan, first, count, element, **options):
    planes = len(options.get("channels", (0, 1, 2)))
    batch = np.empty((count, planes, plan.tile_height, plan.tile_width), element)
    _core.gather(picture, plan, first, batch, **options)
    return batch


def assert_same_bytes(got, want):
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got.view(np.uint8), want.view(np.uint8))


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("layout", "stored"), LAYOUTS)
def test_gather_equals_the_core_for_every_type_layout_channel_map_range_and_width(
    device, element, sample, channels, layout, stored
):
    for width in WIDTHS:
        picture = random_picture(3, width, channels, sample)
        plan = _core.TilePlan(width, 3, tile_width=width + 2, tile_height=5)
        for channel_map in CHANNELS[channels]:
            for value_range in VALUE_RANGES:
                options = {"channels": channel_map, "value_range": value_range}
                got = device.gather(
                    picture, plan, 0, 1, element, layout=layout, stored=stored(len(channel_map)), **options
                )
                assert_same_bytes(got, core_gather(picture, plan, 0, 1, element, **options))


@pytest.mark.parametrize(("layout", "stored"), LAYOUTS)
@given(plan=plans(longest=120), border=st.sampled_from(["mirror", "edge"]), data=st.data())
@settings(max_examples=60)
def test_gather_equals_the_core_for_any_tiles_of_any_plan(device, layout, stored, plan, border, data):
    picture = random_picture(plan.height, plan.width, 3, np.uint8)
    first = data.draw(st.integers(0, len(plan) - 1))
    count = data.draw(st.integers(1, min(3, len(plan) - first)))
    got = device.gather(picture, plan, first, count, np.float16, layout=layout, stored=stored(3), border=border)
    assert_same_bytes(got, core_gather(picture, plan, first, count, np.float16, border=border))


def test_a_batch_of_more_tiles_than_one_launch_takes(device):
    plan = _core.TilePlan(90, 90, tile_width=8, tile_height=8)
    assert len(plan) > 128
    picture = random_picture(90, 90, 3, np.uint8)
    got = device.gather(picture, plan, 1, len(plan) - 1, np.float16)
    assert_same_bytes(got, core_gather(picture, plan, 1, len(plan) - 1, np.float16))


def test_tiles_higher_than_a_grid(device):
    """A grid has 65535 rows of blocks at most, and a block eight of pixels."""
    height = 8 * 65535 + 9
    plan = _core.TilePlan(1, height, tile_width=1, tile_height=height)
    picture = random_picture(height, 1, 1, np.uint8)
    for layout in ("NCHW", "NHWC"):
        got = device.gather(picture, plan, 0, 1, np.float32, layout=layout, channels=(0,))
        assert_same_bytes(got, core_gather(picture, plan, 0, 1, np.float32, channels=(0,)))
    target = np.zeros((height, 1, 1), np.uint8)
    assert DeviceCanvas(device, plan, 1, planes=1).blend(0, got[0], target) == 0
    np.testing.assert_array_equal(target, picture)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_is_divided_correctly_rounded(device, sample):
    levels = np.arange(np.iinfo(sample).max + 1, dtype=sample).reshape(1, -1, 1)
    plan = _core.TilePlan(levels.size, 1, tile_width=levels.size, tile_height=1)
    for value_range in VALUE_RANGES:
        options = {"channels": (0,), "value_range": value_range}
        got = device.gather(levels, plan, 0, 1, np.float32, **options)
        assert_same_bytes(got, core_gather(levels, plan, 0, 1, np.float32, **options))


def test_every_half_is_rounded_to_nearest_even(device):
    """All 65536 16-bit levels, in ranges that reach subnormal and large halves."""
    picture = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    plan = _core.TilePlan(256, 256, tile_width=256, tile_height=256)
    for value_range in [(0.0, 1.0), (0.0, 6e-5), (-1e-6, 1e-6), (-65519.0, 65519.0), (-1e6, 1e6)]:
        options = {"channels": (0,), "value_range": value_range}
        got = device.gather(picture, plan, 0, 1, np.float16, **options)
        assert_same_bytes(got, core_gather(picture, plan, 0, 1, np.float16, **options))


def random_tiles(plan, planes, element, scale=1, seed=0):
    """Results ``[planes, h, w]`` beyond both ends of the range, so that clamping is seen to work."""
    rng = np.random.default_rng(seed)
    shape = (planes, plan.tile_height * scale, plan.tile_width * scale)
    return [rng.uniform(-0.2, 1.2, shape).astype(element) for _ in range(len(plan))]


def blend_all(canvas, plan, scale, results, sample, channels, bases=None, **options):
    """All tiles through a canvas of the core or of a device, into a picture, and their counts."""
    target = np.full((plan.height * scale, plan.width * scale, channels), 99, sample)
    counts = []
    for index, result in enumerate(results):
        begin, end = canvas.band(index // plan.columns)
        added = {} if bases is None else {"base": bases[index]}
        counts.append(canvas.blend(index, result, target[begin:end], 0, channels, **added, **options))
    return target, counts


def assert_same_blends(device, plan, scale, results, sample, channels, layout, stored, bases=None, **options):
    core = _core.Canvas(plan, scale, **options)
    exact = None if bases is None else [base.astype(np.float32) for base in bases]
    want, counts = blend_all(core, plan, scale, results, sample, channels, exact)
    canvas = DeviceCanvas(device, plan, scale, **options)
    how = {"layout": layout, "stored": stored(len(results[0]))}
    got, device_counts = blend_all(canvas, plan, scale, results, sample, channels, bases, **how)
    np.testing.assert_array_equal(got, want)
    assert device_counts == counts


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("layout", "stored"), LAYOUTS)
@given(
    plan=plans(longest=90),
    scale=st.integers(1, 4),
    value_range=st.sampled_from(VALUE_RANGES),
    planes_and_channels=st.sampled_from(PLANES_AND_CHANNELS),
)
@settings(max_examples=15)
def test_blend_equals_the_core_for_any_plan(
    device, element, sample, layout, stored, plan, scale, value_range, planes_and_channels
):
    planes, channels = planes_and_channels
    results = random_tiles(plan, planes, element, scale)
    options = {"planes": planes, "value_range": value_range}
    assert_same_blends(device, plan, scale, results, sample, channels, layout, stored, **options)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("layout", "stored"), LAYOUTS)
@given(
    plan=plans(longest=60),
    scale=st.sampled_from([2, 3, 4, 5, 8]),
    base=st.sampled_from([None, np.float16, np.float32]),
    planes_and_channels=st.sampled_from(PLANES_AND_CHANNELS),
)
@settings(max_examples=15)
def test_a_shuffle_equals_the_core_for_any_plan(
    device, element, sample, layout, stored, plan, scale, base, planes_and_channels
):
    planes, channels = planes_and_channels
    results = random_tiles(plan, planes * scale**2, element)
    bases = None if base is None else random_tiles(plan, planes, base, seed=1)
    options = {"planes": planes, "shuffle": scale, "adds_base": base is not None}
    assert_same_blends(device, plan, scale, results, sample, channels, layout, stored, bases, **options)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("layout", "stored"), LAYOUTS)
@pytest.mark.parametrize("shuffle", [1, 2, 4])
def test_blend_equals_the_core_for_every_width_and_place_in_a_pixel(device, element, sample, layout, stored, shuffle):
    for width in WIDTHS:
        plan = _core.TilePlan(width, 2, tile_width=width, tile_height=2)
        for planes, target_channels, channels in [(3, 3, 3), (3, 4, 3), (3, 5, 3), (3, 2, 1), (1, 1, 1), (1, 4, 1)]:
            result = random_tiles(plan, planes * shuffle**2, element, seed=width)[0]
            options = {"planes": planes, "shuffle": shuffle}
            target = np.full((2 * shuffle, width * shuffle, target_channels), 77, sample)
            want = target.copy()
            first = target_channels - channels
            _core.Canvas(plan, shuffle, **options).blend(0, result, want, first, channels)
            how = {"layout": layout, "stored": stored(len(result))}
            DeviceCanvas(device, plan, shuffle, **options).blend(0, result, target, first, channels, **how)
            np.testing.assert_array_equal(target, want)


@pytest.mark.parametrize("feather", [0, 8])
def test_every_half_is_read_exactly(device, feather):
    """All 65536, in ranges where subnormal and where large ones count."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(1, 256, 256)
    plan = _core.TilePlan(512, 256, tile_width=256 + feather // 2, tile_height=256, feather=feather)
    results = [np.resize(np.roll(halves, shift, 2), (1, 256, plan.tile_width)) for shift in (0, 3)]
    finite = [np.where(np.isfinite(result), result, np.float16(1)) for result in results]
    for value_range in [(0.0, 1.0), (0.0, 6e-5), (-65504.0, 65504.0)]:
        options = {"planes": 1, "value_range": value_range}
        assert_same_blends(device, plan, 1, finite, np.uint16, 1, *LAYOUTS[0], **options)
    _, counts = blend_all(DeviceCanvas(device, plan, 1, planes=1), plan, 1, results, np.uint16, 1)
    assert counts == [np.count_nonzero(~np.isfinite(result)) for result in results]


@pytest.mark.parametrize("sample", SAMPLES)
def test_ties_and_ranges_whose_gain_is_infinite(device, sample):
    levels = np.array([-3.0, -0.0, 0.49999997, 0.5, 1.5, 2.5, 254.5, 254.50002, 255.4, 3e9], np.float32)
    levels = np.resize(levels, (1, 1, 130))
    plan = _core.TilePlan(130, 1, tile_width=130, tile_height=1)
    for value_range in [(0.0, 255.0), (0.0, 65535.0), (0.0, 1e-39)]:
        options = {"planes": 1, "value_range": value_range}
        assert_same_blends(device, plan, 1, [levels], sample, 1, *LAYOUTS[0], **options)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize(("shuffle", "adds_base"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("channels", [1, 3])
@given(plan=plans(longest=60), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_values_that_are_not_finite_are_counted_as_in_the_core(
    device, element, shuffle, adds_base, channels, plan, seed
):
    """Only where they count: the halo may hold anything."""
    rng = np.random.default_rng(seed)
    results = random_tiles(plan, 3 * shuffle**2, element, 2 // shuffle)
    bases = random_tiles(plan, 3, np.float32, seed=1) if adds_base else None
    for tile in [*results, *(bases or [])]:
        spoilt = rng.random(tile.shape) < 0.02
        tile[spoilt] = rng.choice([np.nan, np.inf, -np.inf], np.count_nonzero(spoilt))
    options = {"shuffle": shuffle, "adds_base": adds_base}
    core = _core.Canvas(plan, 2, **options)
    want = blend_all(core, plan, 2, results, np.uint8, channels, bases)[1]
    canvas = DeviceCanvas(device, plan, 2, **options)
    assert blend_all(canvas, plan, 2, results, np.uint8, channels, bases)[1] == want


@given(plan=plans(longest=90), data=st.data())
@settings(max_examples=40)
def test_a_tile_can_be_blended_again(device, plan, data):
    """A spoilt result in float16 leaves no trace once the tile is blended anew, from float32."""
    results = random_tiles(plan, 3, np.float32, 2)
    want, _ = blend_all(_core.Canvas(plan, 2), plan, 2, results, np.uint8, 3)
    spoilt = data.draw(st.integers(0, len(plan) - 1))
    canvas = DeviceCanvas(device, plan, 2)
    got = np.zeros_like(want)
    for index, result in enumerate(results):
        begin, end = canvas.band(index // plan.columns)
        if index == spoilt:
            assert canvas.blend(index, np.full_like(result, np.nan, np.float16), got[begin:end], layout="NHWC") > 0
        assert canvas.blend(index, result, got[begin:end]) == 0
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize(("layout", "stored"), LAYOUTS)
@given(plan=plans(longest=90), data=st.data())
@settings(max_examples=20)
def test_gather_writes_every_element_once(emulated, element, layout, stored, plan, data):
    first = data.draw(st.integers(0, len(plan) - 1))
    count = data.draw(st.integers(1, min(70, len(plan) - first)))
    module = emulated.module
    picture, _ = emulated.image(random_picture(plan.height, plan.width, 3, np.uint8))
    shape = (count, 3, plan.tile_height, plan.tile_width)
    nbytes = count * stored(3) * plan.tile_height * plan.tile_width * np.dtype(element).itemsize
    buffer = module.DeviceBuffer(nbytes + 32)
    batch = module.TensorView(buffer, shape, element, layout=layout, channels=stored(3), offset=16)
    module.watch(buffer.pointer, buffer.nbytes)
    module.gather(picture, plan, first, batch, emulated.stream)
    writes = module.writes()
    assert (writes[16:-16] == 1).all()
    assert not writes[:16].any()
    assert not writes[-16:].any()


@pytest.mark.parametrize("sample", SAMPLES)
@given(
    plan=plans(longest=60),
    scale=st.integers(1, 4),
    planes_and_channels=st.sampled_from(PLANES_AND_CHANNELS),
    beside=st.integers(0, 2),
)
@settings(max_examples=40)
def test_blend_writes_every_sample_once(emulated, sample, plan, scale, planes_and_channels, beside):
    """Of a band, by all of its tiles together; nothing of other channels."""
    planes, channels = planes_and_channels
    module = emulated.module
    canvas = module.Canvas(plan, scale, planes=planes)
    counts = module.DeviceBuffer(8)
    results = [emulated.tensor(tile[None]) for tile in random_tiles(plan, planes, np.float16, scale)]
    for row in range(plan.rows):
        begin, end = canvas.band(row)
        shape = (end - begin, plan.width * scale, channels + beside)
        band, buffer = emulated.image(np.zeros(shape, sample))
        module.watch(buffer.pointer, buffer.nbytes)
        for index in range(row * plan.columns, (row + 1) * plan.columns):
            canvas.blend(
                index,
                results[index],
                band,
                emulated.stream,
                not_finite=counts,
                first_channel=beside,
                channels=channels,
            )
        writes = module.writes().reshape(*shape[:2], -1)
        ours = beside * np.dtype(sample).itemsize
        assert (writes[..., ours:] == 1).all()
        assert not writes[..., :ours].any()


PLAN = _core.TilePlan(8, 6, tile_width=8, tile_height=6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": (6, 9, 3)}, "picture is 9 x 6, its plan is for 8 x 6"),
        ({"batch": (1, 2, 6, 8)}, r"a tile of the batch must be of shape \[1, 3, 6, 8\], not \[1, 2, 6, 8\]"),
        ({"batch": (2, 3, 6, 8)}, "2 tiles from 0 on are not all in a plan of 1"),
        ({"first": 1}, "1 tiles from 1 on are not all in a plan of 1"),
        ({"channels": (0, 1, 3)}, r"channels must name channels of the picture \(0 to 2\), not 3"),
        ({"channels": ()}, "channels must not be empty"),
        ({"channels": (0,) * 17, "batch": (1, 17, 6, 8)}, "channels must be 16 at most, not 17"),
        ({"border": "wrap"}, "border must be 'mirror' or 'edge', not 'wrap'"),
        ({"value_range": (0.0, np.inf)}, "value range must be finite"),
    ],
)
def test_what_does_not_fit_is_not_gathered(device, change, message):
    picture = device.image(np.zeros(change.pop("picture", (6, 8, 3)), np.uint8))[0]
    batch = device.tensor(np.zeros(change.pop("batch", (1, 3, 6, 8)), np.float32))
    with pytest.raises(ValueError, match=message):
        device.module.gather(picture, PLAN, change.pop("first", 0), batch, device.stream, **change)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"index": 1}, IndexError, "tile 1 of a plan of 1"),
        ({"result": (1, 3, 11, 16)}, ValueError, r"result must be of shape \[1, 3, 12, 16\], not \[1, 3, 11, 16\]"),
        ({"result": (2, 3, 12, 16)}, ValueError, r"result must be of shape \[1, 3, 12, 16\], not \[2, 3, 12, 16\]"),
        ({"target": (11, 16, 3)}, ValueError, "target must be the band of the tile, 12 rows of 16 pixels, not 11"),
        ({"first_channel": 1}, ValueError, "target has 3 channels, not 3 from 1 on"),
        ({"channels": 2}, ValueError, "channels must be 1 or 3, not 2"),
        ({"slot": 2}, ValueError, "not_finite has room for 2 counts, not for number 2"),
        ({"slot": -1}, ValueError, "not_finite has room for 2 counts, not for number -1"),
        ({"base": (1, 3, 6, 8)}, ValueError, "this canvas adds no base"),
    ],
)
def test_what_does_not_fit_is_not_blended(device, change, error, message):
    canvas = device.module.Canvas(PLAN, 2)
    result = device.tensor(np.zeros(change.pop("result", (1, 3, 12, 16)), np.float32))
    target = device.image(np.zeros(change.pop("target", (12, 16, 3)), np.uint8))[0]
    if "base" in change:
        change["base"] = device.tensor(np.zeros(change["base"], np.float32))
    counts = device.buffer(np.zeros(2, np.uint64))
    with pytest.raises(error, match=message):
        canvas.blend(change.pop("index", 0), result, target, device.stream, not_finite=counts, **change)


def test_a_base_is_checked(device):
    canvas = DeviceCanvas(device, PLAN, 2, shuffle=2, adds_base=True)
    head, target = np.zeros((12, 6, 8), np.float16), np.zeros((12, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="base is needed"):
        canvas.blend(0, head, target)
    with pytest.raises(ValueError, match=r"base must be of shape \[1, 3, 6, 8\], not \[1, 3, 5, 8\]"):
        canvas.blend(0, head, target, base=np.zeros((3, 5, 8), np.float16))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, "scale must be 1 to 64, not 0"),
        ({"planes": 2}, "planes must be 1 or 3, not 2"),
        ({"shuffle": 3}, "shuffle must be 1 or the scale, not 3"),
        ({"value_range": (1.0, 1.0)}, "value range must be finite and not empty"),
        ({"plan": _core.TilePlan(2**29, 1, tile_width=2**29, tile_height=1)}, "must be below 2\\^30, not 536870912"),
    ],
)
def test_a_canvas_that_cannot_be_is_refused(device, arguments, message):
    with pytest.raises(ValueError, match=message):
        device.module.Canvas(**({"plan": PLAN, "scale": 2} | arguments))


def test_tiles_out_of_order_are_refused(device):
    plan = _core.TilePlan(64, 8, tile_width=40, tile_height=8, halo=4)
    canvas = DeviceCanvas(device, plan, 1)
    with pytest.raises(ValueError, match="tile 0 is next, not 1"):
        canvas.blend(1, np.zeros((3, 8, 40), np.float32), np.zeros((8, 64, 3), np.uint8))
