"""BMP files as input."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from support.picture_files import SRGB_PROFILE, noise, opened, photo_image, saved, smooth
from tilewright.codecs.decode import decode
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import InputLimits


def bmp(rows, width, height, bits, *, compression=0, header=b"", extra=b""):
    """Returns a file: rows from bottom to top, and what follows the 40 bytes of the usual header."""
    size = 40 + len(header)
    info = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, len(rows), 0, 0, 0, 0)
    offset = 14 + size + len(extra)
    return struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset) + info + header + extra + rows


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_files_by_pillow_decode_exactly(mode):
    image = photo_image().convert(mode)
    picture = decode(saved(image, "BMP", dpi=(300, 300)))
    np.testing.assert_array_equal(
        picture.pixels.squeeze(),
        np.asarray(image.convert("RGB" if mode == "P" else mode)) * np.uint8(255 if mode == "1" else 1),
    )
    assert picture.source_format == "BMP"
    assert picture.dpi == pytest.approx((300, 300), abs=0.1)


def test_alpha_needs_a_mask():
    samples = noise(3, 4, 4)
    rows = samples[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    picture = decode(bmp(rows, 4, 3, 32, compression=3, header=masks))
    np.testing.assert_array_equal(np.dstack([picture.pixels, picture.alpha]), samples)
    opaque = decode(bmp(rows, 4, 3, 32))
    np.testing.assert_array_equal(opaque.pixels, samples[:, :, :3])
    assert opaque.alpha is None


def test_rows_may_run_from_top_to_bottom():
    samples = noise(3, 4, 3)
    np.testing.assert_array_equal(decode(bmp(samples[:, :, ::-1].tobytes(), 4, -3, 24)).pixels, samples)


def test_run_lengths():
    palette = bytes(range(256)).ljust(1024, b"\0")
    rows = bytes([3, 10, 1, 20, 0, 0, 0, 4, 1, 2, 3, 4, 0, 1])
    picture = decode(bmp(rows, 4, 2, 8, compression=1, extra=palette))
    assert picture.pixels.shape == (2, 4, 3)
    blue = [palette[4 * index] for index in (1, 2, 3, 4, 10, 10, 10, 20)]
    assert picture.pixels[:, :, 2].ravel().tolist() == blue


def test_embedded_profile_is_kept():
    samples = noise(3, 4, 3)
    rest = bytearray(84)
    rest[16:20] = b"DEBM"
    struct.pack_into("<II", rest, 72, 124 + 36, len(SRGB_PROFILE))
    data = bmp(samples[::-1, :, ::-1].tobytes(), 4, 3, 24, header=bytes(rest)) + SRGB_PROFILE
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, samples)
    assert picture.icc == SRGB_PROFILE


def test_truncated_files_are_refused():
    data = saved(Image.fromarray(smooth(30, 30)), "BMP")
    for length in range(18, len(data) - 90, 101):
        with pytest.raises(DecodeError, match="the BMP file is c"):
            decode(data[:length])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bmp(b"", 14_000, 14_000, 24), "cut short"),
        (bmp(bytes(99), 9_000, 9_000, 8, compression=1, extra=bytes(1024)), "compressed and has 81000000 pixels"),
        (bmp(bytes(2 << 20), 1, 1, 8, compression=1, extra=bytes(1024)), "more compressed data than its pixels"),
        (bmp(bytes(99), 4, 4, 24, compression=5), "not supported; convert it to PNG"),
        (bmp(bytes(99), 0, 4, 24), "corrupt"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(data, message):
    with pytest.raises(DecodeError, match=message):
        decode(data, limits=InputLimits(pixels=200_000_000))


def test_pixel_limit_is_checked():
    with pytest.raises(ImageTooLargeError, match="20000 x 20000"):
        decode(bmp(b"", 20_000, 20_000, 24), limits=InputLimits(pixels=200_000_000))


def test_text_that_begins_like_a_file_is_text():
    with pytest.raises(DecodeError, match="looks like text, beginning with 'BMW"):
        decode(b"BMW is a maker of cars\n")


def test_pillow_agrees_about_the_test_files():
    samples = noise(3, 4, 3)
    np.testing.assert_array_equal(np.asarray(opened(bmp(samples[::-1, :, ::-1].tobytes(), 4, 3, 24))), samples)
