"""Rounding to 8 and 16 bits, and compositing on white."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.codecs.samples import composite_on_white, from_integers, to_8_bit, to_integers


def test_16_bits_round_to_the_nearest_8():
    values = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_8_bit(values), np.rint(values * (255 / 65535)).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compositing_on_white_rounds_to_nearest(dtype):
    white = int(np.iinfo(dtype).max)
    values = np.unique(np.concatenate([np.linspace(0, white, 200), [1, 2, white - 1]]).round()).astype(dtype)
    pixels = np.repeat(values[:, None], 600, axis=0)[:, :, None] * np.ones((1, len(values), 1), dtype)
    alpha = np.broadcast_to(values[None, :], pixels.shape[:2])
    exact = white + (pixels[:, :, 0].astype(float) - white) * alpha / white
    assert np.abs(composite_on_white(pixels, alpha)[:, :, 0] - exact).max() <= 0.5
    assert composite_on_white(pixels, alpha).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
def test_floats_are_rounded_to_16_bits_and_return_in_their_dtype(dtype):
    levels = np.array([0, 1, 32767.4, 32767.6, 65534.6, 65535])
    floats = (levels / 65535).astype(dtype).reshape(1, 6)
    integers = to_integers(floats)
    assert integers.shape == (1, 6, 1)
    np.testing.assert_array_equal(integers.ravel(), np.rint(floats.astype(np.float64).ravel() * 65535))
    if floats.itemsize > 2:
        assert integers.ravel().tolist() == [0, 1, 32767, 32768, 65535, 65535]
    back = from_integers(integers, floats.dtype)
    assert back.dtype == floats.dtype
    np.testing.assert_array_equal(to_integers(back[:, :, 0]), integers)
