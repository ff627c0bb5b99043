"""Rounding to 8 bits and compositing on white."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.codecs.samples import composite_on_white, to_8_bit


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
