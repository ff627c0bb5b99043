"""The PNG row filter gives the bytes of the NumPy reference on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import reference
from support.grid import ISAS, SAMPLES, random_picture
from tilewright import _core

# Number of channels of the pixels, and whether there is a separate alpha plane.
LAYOUTS = [(1, False), (2, False), (3, False), (4, False), (1, True), (3, True)]


def run(pixels, alpha=None, above=None, isa=None):
    """Returns the filtered rows and the new content of `above`."""
    pixel = (pixels.shape[2] + (alpha is not None)) * pixels.itemsize
    above = np.zeros(pixels.shape[1] * pixel, np.uint8) if above is None else above.copy()
    filtered = np.full((len(pixels), 1 + len(above)), 99, np.uint8)
    _core.png_filter(pixels, above, filtered, alpha=None if alpha is None else alpha[:, :, None], isa=isa)
    return filtered, above


def check(pixels, alpha, isa, above=None):
    rows = reference.png_bytes(pixels, alpha)
    pixel = (pixels.shape[2] + (alpha is not None)) * pixels.itemsize
    want = reference.png_filter(rows, np.zeros_like(rows[0]) if above is None else above, pixel)
    got, last = run(pixels, alpha, above, isa)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(last, rows[-1])
    return got


def for_every_filter(height, width, channels, dtype, seed=0):
    """Returns rows of noise and of several slopes, so that each filter is the best for some."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    kind = (np.arange(height) // 3 % 6)[:, None]
    slopes = [rng.integers(0, 4, (height, width)), 9 * x, 9 * y + 40 * (x % 5), 5 * (x + y), 7 * y * x, x * 37 % 251]
    plane = np.choose(kind, slopes)
    planes = np.stack([plane + 3 * channel for channel in range(channels)], axis=2) % 256
    pixels = planes.astype(dtype)
    return pixels if dtype == np.uint8 else pixels * np.uint16(257) + rng.integers(0, 9, pixels.shape, np.uint16)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("channels", "with_alpha"), LAYOUTS)
def test_equals_numpy_for_every_layout_and_width(isa, sample, channels, with_alpha):
    for width in [*range(1, 71), 127, 128, 129, 1000]:
        pixels = random_picture(4, width, channels, sample, seed=width, padding=width % 3)
        pixels[2:] //= 64  # two rows of noise, and two that filters improve
        alpha = random_picture(4, width, 1, sample, padding=5)[:, :, 0] if with_alpha else None
        check(pixels, alpha, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_filter_is_chosen_and_equals_numpy(isa, sample, channels):
    chosen = check(for_every_filter(72, 200, channels, sample), None, isa)[:, 0]
    assert set(chosen) == {0, 1, 2, 3, 4}


def test_paeth_is_correct_for_all_neighbours():
    """Every second pixel equals the prediction from its neighbours a, b and c, for all their values.

    The pixels before them equal their predictions too, so that this filter has the lowest cost.
    """
    rng = np.random.default_rng(0)
    lead_above = rng.integers(0, 255, 1 << 16, np.uint8, endpoint=True)
    lead = np.zeros_like(lead_above)
    a = c = 0
    for i, b in enumerate(lead_above.tolist()):
        lead[i] = a = min((a, b, c), key=lambda value: abs(a + b - c - value))
        c = b
    b, c = (values.ravel() for values in np.mgrid[:256, :256])
    above = np.stack([c, b], axis=1).ravel().astype(np.uint8)
    for a in range(256):
        row = np.full_like(above, a)
        row[1::2] = reference.png_predictions(row, above, 1)[4][1::2]
        for isa in ISAS:
            whole, whole_above = np.concatenate([lead, row]), np.concatenate([lead_above, above])
            filtered, _ = run(whole[None, :, None], above=whole_above, isa=isa)
            assert filtered[0, 0] == 4
            assert not filtered[0, 1 : 1 + len(lead)].any()
            assert not filtered[0, 1 + len(lead) + 1 :: 2].any()


@pytest.mark.parametrize("isa", ISAS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_equals_numpy_for_any_rows_in_one_or_two_calls(isa, data):
    channels, with_alpha = data.draw(st.sampled_from(LAYOUTS))
    sample = data.draw(st.sampled_from(SAMPLES))
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 150))
    seed = data.draw(st.integers(0, 1000))
    pixels = for_every_filter(height, width, channels, sample, seed)
    alpha = random_picture(height, width, 1, sample, seed)[:, :, 0] if with_alpha else None
    whole = check(pixels, alpha, isa)
    cut = data.draw(st.integers(0, height))
    first, last = run(pixels[:cut], None if alpha is None else alpha[:cut], isa=isa)
    second, _ = run(pixels[cut:], None if alpha is None else alpha[cut:], last, isa)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)


@pytest.mark.parametrize("isa", ISAS)
def test_the_first_of_equally_good_filters_is_chosen(isa):
    flat = np.zeros((3, 40, 3), np.uint8)
    assert not run(flat, isa=isa)[0].any()
    # Filters 0 (none) and 2 (up) cost the same in the first row. Filters 2 and 4 (Paeth) cost nothing
    # in the second.
    stripes = np.zeros((2, 64, 1), np.uint8)
    stripes[:, ::2] = 128
    assert run(stripes, isa=isa)[0][:, 0].tolist() == [0, 2]


def test_costs_of_very_long_rows_do_not_wrap():
    """The cost of 2²⁵ bytes of 128 is 2³², which would wrap to 0 in 32 bits."""
    row = np.full((1, 1 << 25, 1), 128, np.uint8)
    for isa in ISAS[1:] or ISAS:
        filtered, _ = run(row, above=row[0, :, 0], isa=isa)
        assert filtered[0, 0] == 2
        assert not filtered[0, 1:].any()


@pytest.mark.parametrize("shape", [(1, 6, 1), (6, 1, 3), (1, 1, 4), (5, 6, 2)])
def test_strides_of_axes_of_length_one_are_ignored(shape):
    pixels = random_picture(*shape, np.uint16)
    strides = [0 if length == 1 else stride for length, stride in zip(shape, pixels.strides, strict=True)]
    odd = np.lib.stride_tricks.as_strided(pixels, shape, strides, writeable=False)
    np.testing.assert_array_equal(run(odd)[0], run(pixels)[0])


def test_nothing_but_its_rows_is_written():
    pixels = random_picture(3, 21, 3, np.uint8)
    guarded = np.full((5, 1 + 63), 7, np.uint8)
    above = np.zeros(63 + 16, np.uint8)
    _core.png_filter(pixels, above[8:-8], guarded[1:4])
    assert (guarded[[0, 4]] == 7).all()
    assert (guarded[1:4, 0] <= 4).all()
    assert not above[:8].any()
    assert not above[-8:].any()


def test_zero_rows_change_nothing():
    above = np.arange(12, dtype=np.uint8)
    filtered, after = run(PIXELS[:0, :4], above=above)
    assert filtered.shape == (0, 13)
    np.testing.assert_array_equal(after, above)


PIXELS = np.zeros((6, 8, 3), np.uint8)
ABOVE = np.zeros(24, np.uint8)
FILTERED = np.zeros((6, 25), np.uint8)
ALPHA = np.zeros((6, 8, 1), np.uint8)
READ_ONLY = FILTERED.copy()
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"pixels": PIXELS.astype(np.int8)}, TypeError, "pixels must be uint8 or uint16, not int8"),
        ({"pixels": PIXELS.astype(">u2")}, TypeError, "pixels must be uint8 or uint16, not >u2"),
        ({"pixels": PIXELS[:, :, 0]}, ValueError, r"pixels must have shape \[height, width, channels\]"),
        ({"pixels": PIXELS[:, ::2]}, ValueError, "pixels must have adjacent samples"),
        ({"pixels": PIXELS[::-1]}, ValueError, "pixels must have adjacent samples"),
        ({"pixels": np.zeros((6, 8, 5), np.uint8)}, ValueError, "pixels must have 1 to 4 channels, not 5"),
        ({"pixels": np.zeros((6, 8, 0), np.uint8)}, ValueError, "pixels must have 1 to 4 channels, not 0"),
        ({"above": ABOVE[:23]}, ValueError, r"above must have shape \[24\], not \[23\]"),
        ({"above": ABOVE.view(np.int8)}, TypeError, "above must be uint8, not int8"),
        ({"above": READ_ONLY.ravel()[:24]}, ValueError, "above must be writeable"),
        ({"filtered": FILTERED[:5]}, ValueError, r"filtered must have shape \[6, 25\], not \[5, 25\]"),
        ({"filtered": FILTERED.astype(np.uint16)}, TypeError, "filtered must be uint8, not uint16"),
        ({"filtered": np.zeros((6, 26), np.uint8)[:, :25]}, ValueError, "filtered must be C-contiguous"),
        ({"filtered": READ_ONLY}, ValueError, "filtered must be writeable"),
        ({"alpha": ALPHA}, ValueError, r"above must have shape \[32\], not \[24\]"),
        ({"alpha": ALPHA[:, :, 0]}, ValueError, r"alpha must have shape \[height, width, channels\]"),
        ({"alpha": ALPHA[:5]}, ValueError, r"alpha must have shape \[6, 8, 1\]"),
        ({"alpha": PIXELS}, ValueError, r"alpha must have shape \[6, 8, 1\]"),
        ({"alpha": ALPHA.astype(np.uint16)}, TypeError, "alpha must be uint8, not uint16"),
        (
            {"alpha": ALPHA, "pixels": PIXELS[:, :, :2].copy()},
            ValueError,
            "pixels with a separate alpha must have 1 or 3 channels, not 2",
        ),
        ({"isa": "mmx"}, ValueError, "unknown isa 'mmx': use scalar, avx2 or avx512"),
    ],
)
def test_unsuitable_arguments_are_rejected(arguments, error, message):
    keywords = {"pixels": PIXELS, "above": ABOVE, "filtered": FILTERED} | arguments
    with pytest.raises(error, match=message):
        _core.png_filter(**keywords)
