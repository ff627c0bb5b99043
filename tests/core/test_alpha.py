"""The kernels for transparency give the bytes of the NumPy references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import reference
from support.grid import SAMPLES, random_picture
from tilewright import _core


def sprite(height, width, channels, dtype, seed=0, visible=0.1, padding=0):
    """Returns random samples [H,W,C]. The last channel is alpha, which is 0 for most pixels."""
    picture = random_picture(height, width, channels, dtype, seed, padding)
    hidden = np.random.default_rng(seed).random((height, width)) >= visible
    picture[:, :, -1][hidden] = 0
    return picture


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    colours=st.sampled_from([1, 3]),
    dtype=st.sampled_from(SAMPLES),
    visible=st.sampled_from([0.0, 0.003, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 1000),
    separate_alpha=st.booleans(),
)
def test_bleed_equals_numpy(height, width, colours, dtype, visible, seed, separate_alpha):
    picture = sprite(height, width, colours + 1, dtype, seed, visible, padding=seed % 3)
    want = reference.alpha_bleed(picture[:, :, :-1], picture[:, :, -1])
    if separate_alpha:
        colour, alpha = picture[:, :, :-1].copy(), picture[:, :, -1:].copy()
        original = alpha.copy()
        _core.alpha_bleed(colour, alpha=alpha)
    else:
        original = picture[:, :, -1:].copy()
        _core.alpha_bleed(picture)
        colour, alpha = picture[:, :, :-1], picture[:, :, -1:]
    np.testing.assert_array_equal(colour, want)
    np.testing.assert_array_equal(alpha, original)


@pytest.mark.parametrize("dtype", SAMPLES)
def test_bleed_keeps_visible_colour_and_ignores_hidden_colour(dtype):
    picture, other = sprite(60, 80, 4, dtype), sprite(60, 80, 4, dtype)
    other[other[:, :, 3] == 0] = 0
    visible = picture[:, :, 3] > 0
    before = picture.copy()
    _core.alpha_bleed(picture)
    _core.alpha_bleed(other)
    np.testing.assert_array_equal(picture[visible], before[visible])
    np.testing.assert_array_equal(picture, other)


def test_bleed_is_weighted_by_alpha_and_reaches_across_the_picture():
    picture = np.zeros((1, 300, 4), np.uint8)
    picture[0, 0] = [200, 0, 0, 255]
    picture[0, 2] = [0, 0, 100, 1]
    _core.alpha_bleed(picture)
    assert picture[0, 1].tolist() == [199, 0, 0, 0], "a nearly transparent neighbour has little weight"
    assert (picture[0, 3:, :3] == [0, 0, 100]).all()


def test_bleed_does_not_overflow():
    picture = np.full((3, 3, 4), 65535, np.uint16)
    picture[1, 1] = 0
    _core.alpha_bleed(picture)
    assert picture[1, 1].tolist() == [65535, 65535, 65535, 0]


def test_bleed_does_not_depend_on_the_orientation():
    picture = sprite(31, 44, 4, np.uint8, visible=0.02)
    transformed = np.ascontiguousarray(picture[::-1, ::-1].transpose(1, 0, 2))
    _core.alpha_bleed(picture)
    _core.alpha_bleed(transformed)
    np.testing.assert_array_equal(transformed.transpose(1, 0, 2)[::-1, ::-1], picture)


@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    scale=st.integers(1, 4),
    radius=st.integers(0, 5),
    dtype=st.sampled_from(SAMPLES),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_flat_alpha_equals_numpy(height, width, scale, radius, dtype, seed, data):
    rng = np.random.default_rng(seed)
    source = random_picture(height, width, 2, dtype, seed, padding=seed % 3)
    source[:, :, 1] = np.kron(rng.integers(0, 2, (5, 5)), np.ones((6, 6)))[:height, :width] * np.iinfo(dtype).max
    first = data.draw(st.integers(0, height - 1))
    count = data.draw(st.integers(1, height - first))
    band = random_picture(count * scale, width * scale, 3, dtype, seed + 1)
    rows = slice(first, first + count)
    flat = reference.flat_around(source[:, :, 1], radius)[rows].repeat(scale, 0).repeat(scale, 1)
    want = band.copy()
    want[:, :, 2] = np.where(flat, source[rows, :, 1].repeat(scale, 0).repeat(scale, 1), band[:, :, 2])
    _core.keep_flat_alpha(source, 1, first, band, 2, radius=radius)
    np.testing.assert_array_equal(band, want)


def test_a_huge_radius_covers_the_whole_picture():
    source = np.full((3, 4, 1), 7, np.uint8)
    for value, is_constant in ((7, True), (8, False)):
        source[0, 0] = value
        band = np.zeros((6, 8, 1), np.uint8)
        _core.keep_flat_alpha(source, 0, 0, band, 0, radius=2**62)
        assert (band == (7 if is_constant else 0)).all()


RGBA = np.zeros((6, 8, 4), np.uint8)
READ_ONLY = RGBA.copy()
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("pixels", "alpha", "error", "message"),
    [
        (RGBA.astype(np.float32), None, TypeError, "pixels must be uint8 or uint16, not float32"),
        (RGBA[:, ::2], None, ValueError, "pixels must have adjacent samples"),
        (READ_ONLY, None, ValueError, "pixels must be writeable"),
        (RGBA[:, :, :3].copy(), None, ValueError, "pixels must have 1 or 3 colour channels, not 2"),
        (RGBA, RGBA[:, :, :1].copy(), ValueError, "pixels must have 1 or 3 colour channels, not 4"),
        (RGBA[:, :, :3].copy(), RGBA, ValueError, r"alpha must have shape \[6, 8, 1\]"),
        (RGBA[:, :, :3].copy(), RGBA[:5, :, :1].copy(), ValueError, r"alpha must have shape \[6, 8, 1\]"),
        (RGBA[:, :, :3].copy(), RGBA[:, :, 0], ValueError, r"alpha must have shape \[height, width, channels\]"),
        (RGBA[:, :, :3].copy(), np.zeros((6, 8, 1), np.uint16), TypeError, "alpha must be uint8, not uint16"),
    ],
)
def test_unsuitable_arguments_of_bleed_are_rejected(pixels, alpha, error, message):
    with pytest.raises(error, match=message):
        _core.alpha_bleed(pixels, alpha=alpha)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"source": RGBA.astype(np.int8)}, TypeError, "source must be uint8 or uint16, not int8"),
        ({"source": RGBA[:, ::2]}, ValueError, "source must have adjacent samples"),
        ({"channel": 4}, ValueError, "channel must be 0 to 3, not 4"),
        ({"band_channel": -1}, ValueError, "band_channel must be 0 to 0, not -1"),
        ({"band": np.zeros((4, 15, 1), np.uint8)}, ValueError, r"band must be scale \* 8 pixels wide .* not 15 x 4"),
        ({"band": np.zeros((3, 16, 1), np.uint8)}, ValueError, "and a multiple of scale high, not 16 x 3"),
        ({"band": np.zeros((4, 16, 1), np.uint16)}, TypeError, "band must be uint8, not uint16"),
        ({"band": READ_ONLY}, ValueError, "band must be writeable"),
        ({"first_row": 5}, ValueError, "2 rows from first_row 5 are not within the source's 6"),
        ({"first_row": -1}, ValueError, "2 rows from first_row -1 are not within the source's 6"),
        ({"radius": -1}, ValueError, "radius must be 0 or more, not -1"),
    ],
)
def test_unsuitable_arguments_of_keep_flat_alpha_are_rejected(arguments, error, message):
    given = {
        "source": RGBA, "channel": 3, "first_row": 0, "band": np.zeros((4, 16, 1), np.uint8), "band_channel": 0,
        "radius": 2,
    } | arguments  # fmt: skip
    with pytest.raises(error, match=message):
        _core.keep_flat_alpha(**given)
