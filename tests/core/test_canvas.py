"""The canvas gives the bytes of the NumPy reference on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import reference
from support.grid import ELEMENTS, ISAS, SAMPLES, VALUE_RANGES, WIDTHS, plans, random_picture
from tilewright import _core


def blend_all(plan, scale, results, sample, isa, *, channels=None, target_channels=3, value_range=(0.0, 1.0)):
    """Blends all tiles, band by band. Returns the whole picture and the counts of non-finite values."""
    canvas = _core.Canvas(plan, scale, planes=results[0].shape[0], value_range=value_range, isa=isa)
    bands, counts = [], []
    for row in range(plan.rows):
        begin, end = canvas.band(row)
        assert begin == sum(len(band) for band in bands), "bands are contiguous from the top"
        band = np.full((end - begin, plan.width * scale, target_channels), 99, sample)
        for index in range(row * plan.columns, (row + 1) * plan.columns):
            counts.append(canvas.blend(index, results[index], band, channels=channels))
        bands.append(band)
    return np.concatenate(bands), counts


def random_results(plan, scale, planes, element, seed=0):
    rng = np.random.default_rng(seed)
    shape = (planes, plan.tile_height * scale, plan.tile_width * scale)
    # The values exceed the range at both ends, to test clamping.
    return [rng.uniform(-0.2, 1.2, shape).astype(element) for _ in range(len(plan))]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@given(plan=plans(longest=90), scale=st.integers(1, 4), value_range=st.sampled_from(VALUE_RANGES))
@settings(max_examples=15, deadline=None)
def test_equals_numpy_for_any_plan(isa, element, sample, plan, scale, value_range):
    results = random_results(plan, scale, 3, element)
    got, counts = blend_all(plan, scale, results, sample, isa, value_range=value_range)
    whole = reference.blend(plan, scale, results).transpose(1, 2, 0)
    np.testing.assert_array_equal(got, reference.quantise(whole, sample, value_range))
    assert set(counts) == {0}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", SAMPLES)
@given(plan=plans(), scale=st.integers(1, 3), channels=st.sampled_from([1, 3, 4]))
@settings(max_examples=30, deadline=None)
def test_a_pixel_repeating_network_reproduces_the_picture(isa, sample, plan, scale, channels):
    """Gather, repeating pixels and blend give exactly the enlarged picture for any tiles."""
    picture = random_picture(plan.height, plan.width, channels, sample)
    planes = tuple(range(3)) if channels > 1 else (0, 0, 0)
    tile = np.empty((1, 3, plan.tile_height, plan.tile_width), np.float32)
    results = []
    for index in range(len(plan)):
        _core.gather(picture, plan, index, tile, channels=planes, isa=isa)
        results.append(tile[0].repeat(scale, 1).repeat(scale, 2))
    count = min(channels, 3)
    got, _ = blend_all(plan, scale, results, sample, isa, channels=count, target_channels=count)
    np.testing.assert_array_equal(got, picture[:, :, :count].repeat(scale, 0).repeat(scale, 1))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(
    ("planes", "target_channels", "channels"),
    [(1, 1, 1), (1, 2, 1), (3, 3, 3), (3, 4, 3), (3, 5, 3), (3, 1, 1), (3, 2, 1), (3, 4, 1)],
)
def test_equals_numpy_for_every_type_layout_and_width(isa, element, sample, planes, target_channels, channels):
    for width in WIDTHS:
        plan = _core.TilePlan(width, 2, tile_width=width, tile_height=2)
        result = random_results(plan, 1, planes, element, seed=width)[0]
        first = target_channels - channels
        # The target's rows are padded, and the padding is compared too.
        padded = np.full((2, width + 3, target_channels), 77, sample)
        target = padded[:, :width]
        canvas = _core.Canvas(plan, 1, planes=planes, isa=isa)
        assert canvas.blend(0, result, target, first_channel=first, channels=channels) == 0
        values = result.astype(np.float32)
        if channels < planes:
            values = ((values[0] + values[1]) + values[2])[None] / np.float32(3)
        want = np.full_like(padded, 77)
        want[:, :width, first:] = reference.quantise(values.transpose(1, 2, 0), sample, (0.0, 1.0))
        np.testing.assert_array_equal(padded, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("length", [10, 130])
def test_ties_round_to_even_and_values_are_clamped(isa, length):
    levels = np.array([-3.0, -0.0, 0.49999997, 0.5, 1.5, 2.5, 254.5, 254.50002, 255.4, 3e9], np.float32)
    levels = np.resize(levels, length)
    plan = _core.TilePlan(length, 1, tile_width=length, tile_height=1)
    band = np.empty((1, length, 1), np.uint8)
    _core.Canvas(plan, 1, planes=1, value_range=(0.0, 255.0), isa=isa).blend(0, levels[None, None], band)
    assert band.ravel().tolist() == np.resize([0, 0, 0, 0, 2, 2, 254, 255, 255, 255], length).tolist()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_range_with_an_infinite_gain_gives_black_and_white(isa, sample):
    """Black times infinity is NaN, which must become black."""
    values = np.resize(np.array([0.0, 1.0, -1.0], np.float32), (1, 1, 130))
    plan = _core.TilePlan(130, 1, tile_width=130, tile_height=1)
    band = np.empty((1, 130, 1), sample)
    canvas = _core.Canvas(plan, 1, planes=1, value_range=(0.0, 1e-39), isa=isa)
    assert canvas.blend(0, values, band) == 0
    np.testing.assert_array_equal(band.ravel(), np.resize([0, np.iinfo(sample).max, 0], 130))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("feather", [0, 8])
def test_every_half_is_read_exactly(isa, feather):
    """Tests all 65536 halves, in ranges where subnormal and where large halves matter.

    With a feather, some of them are converted to floats first.
    """
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(1, 256, 256)
    halves = np.where(np.isnan(halves), np.float16(np.inf), halves)
    plan = _core.TilePlan(512, 256, tile_width=256 + feather // 2, tile_height=256, feather=feather)
    results = [np.resize(np.roll(halves, shift, 2), (1, 256, plan.tile_width)) for shift in (0, 3)]
    finite = [np.where(np.isfinite(result), result, np.float16(1)) for result in results]
    for value_range in [(0.0, 1.0), (0.0, 6e-5), (-65504.0, 65504.0)]:
        got, counts = blend_all(plan, 1, finite, np.uint16, isa, target_channels=1, value_range=value_range)
        whole = reference.blend(plan, 1, finite).transpose(1, 2, 0)
        np.testing.assert_array_equal(got, reference.quantise(whole, np.uint16, value_range))
        assert counts == [0, 0]
    for result, count in zip(results, blend_all(plan, 1, results, np.uint16, isa, target_channels=1)[1], strict=True):
        assert count == np.count_nonzero(~np.isfinite(result))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("element", ELEMENTS)
def test_nonfinite_values_are_counted(isa, element):
    """Values in the halo do not count."""
    plan = _core.TilePlan(64, 8, tile_width=40, tile_height=8, halo=4, feather=4)
    results = [np.ones((3, 8, 40), element) for _ in range(len(plan))]
    results[0][0, 2, 5] = np.nan
    results[0][1, 3, 6] = np.inf
    results[0][2, 4, 7] = -np.inf
    results[0][0, 0, 39] = np.nan  # in the halo
    results[1][0, 0, 0] = np.nan  # in the halo
    got, counts = blend_all(plan, 1, results, np.uint8, isa)
    assert counts == [3, 0]
    nonfinite = np.zeros(got.shape, bool)
    nonfinite[[2, 3, 4], [5, 6, 7], [0, 1, 2]] = True
    assert (got[~nonfinite] == 255).all(), "other samples are not affected"

    # A value under the feather counts for both tiles.
    last = plan[0].x.end + plan[0].x.trail - 1
    results[0][1, 7, last] = np.nan
    results[1][1, 7, last - plan[1].x.origin] = np.nan
    assert blend_all(plan, 1, results, np.uint8, isa)[1] == [4, 1]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("planes", "target_channels"), [(3, 3), (3, 4), (3, 1), (1, 1)])
def test_every_nonfinite_value_is_found(isa, element, sample, planes, target_channels):
    """Tests every position in a row. All instruction sets give the same samples."""
    width = 150
    plan = _core.TilePlan(width, 1, tile_width=width, tile_height=1)
    result = random_results(plan, 1, planes, element)[0]
    target = np.empty((1, width, target_channels), sample)
    expected = np.empty_like(target)
    count = min(planes, target_channels)
    for at in range(width):
        changed = result.copy()
        changed[at % planes, 0, at] = [np.nan, np.inf, -np.inf][at // planes % 3]
        assert _core.Canvas(plan, 1, planes=planes, isa=isa).blend(0, changed, target, channels=count) == 1
        assert _core.Canvas(plan, 1, planes=planes, isa="scalar").blend(0, changed, expected, channels=count) == 1
        np.testing.assert_array_equal(target[:, :, :count], expected[:, :, :count])


@pytest.mark.parametrize("isa", ISAS)
@given(plan=plans(longest=90), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_tile_can_be_blended_again(isa, plan, data):
    """A non-finite result leaves no trace after the tile is blended again."""
    results = random_results(plan, 2, 3, np.float32)
    want, _ = blend_all(plan, 2, results, np.uint8, isa)
    repeated = data.draw(st.integers(0, len(plan) - 1))
    canvas = _core.Canvas(plan, 2, isa=isa)
    got = np.zeros_like(want)
    for index in range(len(plan)):
        begin, end = canvas.band(index // plan.columns)
        if index == repeated:
            assert canvas.blend(index, np.full_like(results[index], np.nan), got[begin:end]) > 0
        assert canvas.blend(index, results[index], got[begin:end]) == 0
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [1, 3])
def test_only_the_chosen_channels_are_written(isa, channels):
    plan = _core.TilePlan(33, 5, tile_width=33, tile_height=5)
    results = random_results(plan, 2, 3, np.float32)
    band = np.full((10, 66, 5), 77, np.uint8)
    _core.Canvas(plan, 2, isa=isa).blend(0, results[0], band, first_channel=1, channels=channels)
    want = results[0] if channels == 3 else ((results[0][0] + results[0][1]) + results[0][2])[None] / np.float32(3)
    np.testing.assert_array_equal(
        band[:, :, 1 : 1 + channels], reference.quantise(want.transpose(1, 2, 0), np.uint8, (0.0, 1.0))
    )
    assert (np.delete(band, range(1, 1 + channels), axis=2) == 77).all()


def test_tiles_out_of_order_are_rejected():
    plan = _core.TilePlan(64, 8, tile_width=40, tile_height=8, halo=4)
    canvas = _core.Canvas(plan, 1)
    with pytest.raises(ValueError, match="tile 0 is next, not 1"):
        canvas.blend(1, np.zeros((3, 8, 40), np.float32), np.zeros((8, 64, 3), np.uint8))


CANVAS_PLAN = _core.TilePlan(8, 6, tile_width=8, tile_height=6)
RESULT = np.zeros((3, 12, 16), np.float32)
TARGET = np.zeros((12, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"index": 1}, IndexError, "tile 1 is out of range for a plan of 1 tiles"),
        ({"result": RESULT[:, :11]}, ValueError, r"result must have shape \[3, 12, 16\], not \[3, 11, 16\]"),
        ({"result": RESULT.astype(np.float64)}, TypeError, "result must be float32 or float16, not float64"),
        (
            {"target": TARGET[:11]},
            ValueError,
            "target must be the tile's band, 12 rows of 16 pixels, not 11 rows",
        ),
        ({"target": TARGET.astype(np.float32)}, TypeError, "target must be uint8 or uint16, not float32"),
        ({"first_channel": 1}, ValueError, "3 channels from first_channel 1 are not within the target's 3"),
        ({"first_channel": 2**63 - 1}, ValueError, "are not within the target's 3"),
        ({"channels": 2}, ValueError, "channels must be 1 or 3, not 2"),
    ],
)
def test_unsuitable_arguments_are_rejected(arguments, error, message):
    keywords = {"index": 0, "result": RESULT, "target": TARGET} | arguments
    with pytest.raises(error, match=message):
        _core.Canvas(CANVAS_PLAN, 2).blend(**keywords)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, "scale must be 1 to 64, not 0"),
        ({"planes": 2}, "planes must be 1 or 3, not 2"),
        ({"value_range": (1.0, 1.0)}, "value_range must be finite, and black must differ from white"),
        ({"value_range": (np.nan, 1.0)}, "value_range must be finite, and black must differ from white"),
        ({"value_range": (0.0, np.inf)}, "value_range must be finite, and black must differ from white"),
    ],
)
def test_unsupported_canvases_are_rejected(arguments, message):
    with pytest.raises(ValueError, match=message):
        _core.Canvas(CANVAS_PLAN, **({"scale": 2} | arguments))


def shuffled_results(plan, scale, planes, element, seed=0):
    """Returns results before the pixel shuffle, and the bases to add to them."""
    rng = np.random.default_rng(seed)
    size = (plan.tile_height, plan.tile_width)
    heads = [rng.uniform(-0.2, 1.2, (planes * scale**2, *size)).astype(element) for _ in range(len(plan))]
    bases = [rng.uniform(0, 1, (planes, *size)).astype(np.float32) for _ in range(len(plan))]
    return heads, bases


def blend_shuffled(plan, scale, heads, bases, sample, isa, *, adds_base, channels=3):
    planes = len(bases[0])
    canvas = _core.Canvas(plan, scale, planes=planes, shuffle=scale, adds_base=adds_base, isa=isa)
    target = np.full((plan.height * scale, plan.width * scale, channels), 99, sample)
    for index, (head, base) in enumerate(zip(heads, bases, strict=True)):
        begin, end = canvas.band(index // plan.columns)
        added = {"base": base} if adds_base else {}
        assert canvas.blend(index, head, target[begin:end], 0, channels, **added) == 0
    return target


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@given(
    plan=plans(longest=90),
    scale=st.integers(1, 5),
    adds_base=st.booleans(),
    planes_and_channels=st.sampled_from([(3, 3), (3, 1), (1, 1)]),
)
@settings(max_examples=15)
def test_a_shuffle_equals_numpy_for_any_plan(isa, element, sample, plan, scale, adds_base, planes_and_channels):
    planes, channels = planes_and_channels
    heads, bases = shuffled_results(plan, scale, planes, element)
    got = blend_shuffled(plan, scale, heads, bases, sample, isa, adds_base=adds_base, channels=channels)
    results = [
        reference.shuffle(head, scale, base if adds_base else None) for head, base in zip(heads, bases, strict=True)
    ]
    whole = reference.blend(plan, scale, results).transpose(1, 2, 0)
    if channels < planes:
        whole = ((whole[:, :, :1] + whole[:, :, 1:2]) + whole[:, :, 2:]) / np.float32(3)
    np.testing.assert_array_equal(got, reference.quantise(whole, sample, (0.0, 1.0)))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("target_channels", [3, 4, 5])
def test_a_shuffle_equals_numpy_for_every_width(isa, element, sample, scale, target_channels):
    for width in WIDTHS:
        plan = _core.TilePlan(width, 2, tile_width=width, tile_height=2)
        heads, bases = shuffled_results(plan, scale, 3, element, seed=width)
        target = np.full((2 * scale, width * scale, target_channels), 77, sample)
        canvas = _core.Canvas(plan, scale, shuffle=scale, adds_base=True, isa=isa)
        assert canvas.blend(0, heads[0], target, 0, 3, base=bases[0]) == 0
        whole = reference.shuffle(heads[0], scale, bases[0]).transpose(1, 2, 0)
        np.testing.assert_array_equal(target[:, :, :3], reference.quantise(whole, sample, (0.0, 1.0)))
        assert (target[:, :, 3:] == 77).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_every_nonfinite_value_is_found_in_a_shuffle(isa, element, sample, scale):
    width = 83
    plan = _core.TilePlan(width, 1, tile_width=width, tile_height=1)
    heads, bases = shuffled_results(plan, scale, 3, element)
    target = np.empty((scale, width * scale, 3), sample)
    for at in range(width):
        head = heads[0].copy()
        head[7 * at % len(head), 0, at] = [np.nan, np.inf, -np.inf][at % 3]
        canvas = _core.Canvas(plan, scale, shuffle=scale, adds_base=True, isa=isa)
        assert canvas.blend(0, head, target, base=bases[0]) == 1
        base = bases[0].copy()
        base[at % 3, 0, at] = [np.nan, np.inf, -np.inf][at % 3]
        canvas = _core.Canvas(plan, scale, shuffle=scale, adds_base=True, isa=isa)
        assert canvas.blend(0, heads[0], target, base=base) == scale**2


def test_an_unsuitable_shuffle_or_base_is_rejected():
    plan = _core.TilePlan(8, 8, tile_width=8, tile_height=8)
    with pytest.raises(ValueError, match="shuffle must be 1 or the scale, not 2"):
        _core.Canvas(plan, 4, shuffle=2)
    with pytest.raises(ValueError, match="adds_base requires that shuffle is the scale"):
        _core.Canvas(plan, 4, adds_base=True)
    target, head = np.empty((16, 16, 3), np.uint8), np.zeros((12, 8, 8), np.float32)
    adding, plain = _core.Canvas(plan, 2, shuffle=2, adds_base=True), _core.Canvas(plan, 2, shuffle=2)
    base = np.zeros((3, 8, 8), np.float32)
    with pytest.raises(ValueError, match="base is required because the canvas was made with adds_base=True"):
        adding.blend(0, head, target)
    with pytest.raises(ValueError, match="base must be None because the canvas was made with adds_base=False"):
        plain.blend(0, head, target, base=base)
    with pytest.raises(ValueError, match="base must have shape"):
        adding.blend(0, head, target, base=base[:, :7].copy())
    with pytest.raises(TypeError, match="base must be float32"):
        adding.blend(0, head, target, base=base.astype(np.float16))
    with pytest.raises(ValueError, match=r"result must have shape \[12, 8, 8\]"):
        adding.blend(0, np.zeros((3, 16, 16), np.float32), target, base=base)
