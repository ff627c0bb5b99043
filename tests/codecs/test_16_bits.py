"""16-bit files upscaled to files: depth and channels are kept."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.in_memory import picture_from_array
from tilewright.testing import make_picture


def through_files(upscaler, array, factor=2):
    """Upscales a PNG file to a PNG file; returns its samples ``[H, W, C]``, alpha included."""
    out = io.BytesIO()
    upscaler.upscale_to_file(decode(encode(picture_from_array(array), "PNG")), factor, out, "PNG")
    picture = decode(out.getvalue())
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (16, 21), (40, 33)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_depth_and_channels_are_kept(upscaler, channels, dtype, size):
    array = make_picture(*size, channels, dtype)
    if channels in (2, 4):
        array[0, 0, -1] //= 2  # alpha is not constant, except for 1 x 1 pixels
    result = through_files(upscaler, array)
    assert (result.shape, result.dtype) == ((2 * size[0], 2 * size[1], channels), dtype)
    np.testing.assert_array_equal(result, upscaler.upscale_array(array, 2))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gradient_has_more_levels_than_8_bits(upscaler, channels):
    """The gradient spans a tenth of the range, which is 26 levels in 8 bits."""
    ramp = np.linspace(30000, 36500, 128)
    array = np.empty((24, 128, channels), np.uint16)
    array[:] = ramp[:, None]
    if channels == 4:
        array[:, :, 3] = np.linspace(0, 65535, 128)
    result = through_files(upscaler, array, 4)
    line = result[48, 64:-64, 0].astype(int)
    assert len(np.unique(line)) > 256
    assert len(np.unique(result[:, :, -1])) > 256
    x = np.arange(len(line))
    ripple = line - np.polyval(np.polyfit(x, line, 1), x)
    assert ripple.std() < 60, "ripple of the network; rounding to 8 bits alone would give 257 / √12 = 74"


def test_16_bit_pictures_are_upscaled_in_float32(upscaler, upscaler_for):
    array = make_picture(50, 60, 3, np.uint16)
    exact = upscaler_for(device="cpu", precision="fp32")
    np.testing.assert_array_equal(upscaler.upscale_array(array, 4), exact.upscale_array(array, 4))


def test_8_bit_result_is_the_rounded_16_bit_result(upscaler_for):
    array = make_picture(50, 60)
    exact = upscaler_for(device="cpu", precision="fp32")
    deep = exact.upscale_array(array.astype(np.uint16) * 257, 4)
    np.testing.assert_allclose(exact.upscale_array(array, 4), deep / 257, atol=0.505)
