"""Encoding to PNG, JPG, WEBP and TIFF, decoded again by Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from support.picture_files import SRGB_PROFILE, noise, opened, smooth
from support.tiff_files import STORAGE_TAGS
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import EncodeOptions
from tilewright.literals import FILE_FORMATS
from tilewright.picture import Picture
from tilewright.testing import make_picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (300, 41)])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_png_and_tiff_are_lossless(file_format, dtype, channels, with_alpha, size):
    icc = SRGB_PROFILE if channels == 3 else None
    picture = Picture(noise(*size, channels, dtype=dtype), noise(*size, dtype=dtype) if with_alpha else None, icc)
    data = encode(picture, file_format)
    decoded = decode(data)
    assert np.array_equal(decoded.pixels, picture.pixels)
    assert decoded.pixels.dtype == dtype
    assert (decoded.alpha is None) == (not with_alpha)
    if with_alpha:
        assert np.array_equal(decoded.alpha, picture.alpha)
    assert decoded.icc == icc
    if dtype == np.uint8:  # Pillow decodes 16-bit RGB to 8 bits
        whole = picture.pixels if not with_alpha else np.dstack([picture.pixels, picture.alpha])
        assert np.array_equal(np.asarray(opened(data)), whole.squeeze(axis=2) if whole.shape[2] == 1 else whole)


@pytest.mark.parametrize("file_format", ["JPG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_stay_close_to_the_picture(file_format, channels):
    pixels = smooth(64, 48, channels)
    image = opened(encode(Picture(pixels), file_format, EncodeOptions(quality=95)))
    assert image.format == {"JPG": "JPEG", "WEBP": "WEBP"}[file_format]
    assert image.mode == ("L" if channels == 1 and file_format == "JPG" else "RGB")
    error = np.asarray(image.convert("RGB")).astype(int) - np.broadcast_to(pixels, (64, 48, 3))
    assert np.abs(error).mean() < 2


def test_higher_quality_gives_larger_files():
    picture = Picture(noise(64, 64, 3))
    for file_format in ("JPG", "WEBP"):
        sizes = [len(encode(picture, file_format, EncodeOptions(quality=quality))) for quality in (20, 60, 99)]
        assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(("quality", "sampling"), [(89, (2, 2)), (90, (1, 1)), (99, (1, 1))])
def test_jpeg_keeps_full_colour_resolution_from_quality_90(quality, sampling):
    image = Image.open(io.BytesIO(encode(Picture(smooth(32, 32)), "JPG", EncodeOptions(quality=quality))))
    assert image.layer[0][1:3] == sampling


@pytest.mark.parametrize("file_format", FILE_FORMATS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_format_stores_the_profile_and_nothing_else(file_format, dtype):
    image = opened(encode(Picture(smooth(16, 16).astype(dtype), None, SRGB_PROFILE), file_format))
    assert image.info["icc_profile"] == SRGB_PROFILE
    assert not image.getexif().keys() - STORAGE_TAGS
    jfif = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    webp = {"background", "timestamp", "duration", "loop"}
    tiff = {"compression", "dpi", "resolution"}  # Pillow's own, where there are no such tags
    assert set(image.info) <= {"icc_profile"} | jfif | webp | tiff


@pytest.mark.parametrize("offset_bits", [32, 64])
@pytest.mark.parametrize("dpi", [None, (300, 150)])
def test_tiff_of_any_size_keeps_exif_and_claims_no_other_resolution(offset_bits, dpi, monkeypatch):
    if offset_bits == 64:
        monkeypatch.setattr("tilewright.codecs.encode._MAX_TIFF_SAMPLES", 0)
    exif = Image.Exif()
    exif[0x010F], exif.get_ifd(0x8769)[0x9003], exif.get_ifd(0x8825)[1] = "Maker", "2026:01:02 03:04:05", "N"
    pixels = noise(33, 21, 3, dtype=np.uint16)
    data = encode(Picture(pixels, dpi=dpi, exif=exif.tobytes().removeprefix(b"Exif\0\0")), "TIFF")
    assert data[2] == {32: 42, 64: 43}[offset_bits]
    image = opened(data)
    tags = image.getexif()
    assert (tags[0x010F], tags.get_ifd(0x8769), tags.get_ifd(0x8825)) == (
        "Maker",
        {0x9003: "2026:01:02 03:04:05"},
        {1: "N"},
    )
    assert (0x011A in tags) == (dpi is not None)
    assert decode(data).dpi == dpi
    np.testing.assert_array_equal(decode(data).pixels, pixels)


def test_webp_keeps_alpha():
    alpha = np.zeros((32, 32), np.uint8)
    alpha[:, 16:] = 255
    image = opened(encode(Picture(smooth(32, 32), alpha), "WEBP"))
    assert np.array_equal(np.asarray(image)[:, :, 3], alpha)
    grey = opened(encode(Picture(smooth(32, 32, 1), alpha), "WEBP"))
    assert np.array_equal(np.asarray(grey)[:, :, 3], alpha)


def test_lossless_webp_keeps_colours_under_transparency():
    pixels, alpha = make_picture(40, 50), np.zeros((40, 50), np.uint8)
    alpha[:, 25:] = 255
    image = opened(encode(Picture(pixels, alpha), "WEBP", EncodeOptions(quality=20, lossless=True)))
    assert np.array_equal(np.asarray(image), np.dstack([pixels, alpha]))


def test_jpeg_composites_on_white():
    pixels = np.zeros((16, 48, 3), np.uint8)
    alpha = np.repeat(np.array([[0, 128, 255]], np.uint8), 16, axis=1).repeat(16, axis=0)
    image = np.asarray(opened(encode(Picture(pixels, alpha), "JPG", EncodeOptions(quality=99)))).astype(int)
    assert [image[8, x].tolist() for x in (8, 24, 40)] == [[255] * 3, [127] * 3, [0] * 3]


def test_16_bit_picture_becomes_8_bit_jpeg_and_webp():
    deep = smooth(32, 32).astype(np.uint16) * 257
    for file_format in ("JPG", "WEBP"):
        assert encode(Picture(deep), file_format) == encode(Picture(smooth(32, 32)), file_format)


@pytest.mark.parametrize("quality", [50, 95])
def test_progressive_jpeg_has_the_pixels_of_a_baseline_jpeg(quality):
    baseline, progressive = (
        encode(Picture(make_picture(60, 80)), "JPG", EncodeOptions(quality=quality, progressive=progressive))
        for progressive in (False, True)
    )
    assert b"\xff\xc0" in baseline
    assert b"\xff\xc2" in progressive
    assert np.array_equal(np.asarray(opened(baseline)), np.asarray(opened(progressive)))


@pytest.mark.parametrize(("file_format", "longest"), [("WEBP", 16_383), ("JPG", 65_500)])
def test_encoders_reach_their_format_limits(file_format, longest):
    for size in ((longest, 1), (1, longest)):
        assert opened(encode(Picture(np.zeros((*size, 1), np.uint8)), file_format)).size == size[::-1]


def test_read_only_pixels_are_encoded():
    pixels = smooth(8, 8)
    pixels.flags.writeable = False
    assert np.array_equal(decode(encode(Picture(pixels), "PNG")).pixels, smooth(8, 8))
