"""TIFF files as input."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from support.picture_files import SRGB_PROFILE, noise, opened, saved, smooth
from support.tiff_files import tiff_file, tiff_pages
from tilewright.codecs.decode import decode, sniff
from tilewright.codecs.libvips import vips
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import InputLimits

COLOURS = {1: 1, 2: 1, 3: 2, 4: 2}  # photometric interpretation by number of channels


def stored(picture):
    """Returns pixels and alpha of a picture as one array."""
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_samples_are_kept_exactly(channels, dtype, big, order):
    samples = noise(9, 14, channels, dtype=dtype)
    tags = {338: (2,)} if channels in (2, 4) else {}
    picture = decode(tiff_file(samples, COLOURS[channels], tags, order=order, big=big))
    np.testing.assert_array_equal(stored(picture), samples)
    assert (picture.pixels.dtype, picture.source_format, picture.dpi) == (dtype, "TIFF", None)
    assert (picture.alpha is None) == (channels in (1, 3))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_files_by_pillow(mode, compression):
    if (mode, compression) == ("P", "jpeg"):
        return  # not written
    image = Image.fromarray(smooth(40, 56)).convert(mode)
    data = saved(image, "TIFF", compression=compression)
    expected = np.asarray(opened(data).convert("L" if mode == "L" else "RGB"))
    np.testing.assert_allclose(decode(data).pixels.squeeze(), expected, atol=2 if compression == "jpeg" else 0)


@pytest.mark.parametrize("compression", [None, "group3", "group4"])
def test_black_and_white_of_one_bit(compression):
    image = Image.fromarray(smooth(20, 30, 1).squeeze()).convert("1")
    data = saved(image, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(data).pixels[:, :, 0], np.asarray(image) * np.uint8(255))


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_scale_to_the_full_range(bits):
    row = np.array([[[0b00011011], [0b11100100]]], np.uint8)
    values = [
        (byte >> shift) & (2**bits - 1) for byte in (0b00011011, 0b11100100) for shift in range(8 - bits, -1, -bits)
    ]
    data = tiff_file(row, 1, {256: 16 // bits, 258: bits})
    assert decode(data).pixels[0, :, 0].tolist() == [value * 255 // (2**bits - 1) for value in values]


def test_white_may_be_zero():
    samples = noise(5, 6, 1)
    np.testing.assert_array_equal(decode(tiff_file(samples, 0)).pixels, 255 - samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_associated_alpha_is_divided_out(dtype):
    white = np.iinfo(dtype).max
    alpha = np.array([[white, white // 2 + 1, white // 4 + 1, 0]], dtype)
    colour = np.full((1, 4, 3), white // 2, float)
    premultiplied = np.rint(colour * alpha[:, :, None] / white).astype(dtype)
    picture = decode(tiff_file(np.dstack([premultiplied, alpha]), 2, {338: (1,)}))
    np.testing.assert_array_equal(picture.alpha, alpha)
    np.testing.assert_allclose(picture.pixels[0, :3], white // 2, atol=4)


@pytest.mark.parametrize(
    ("channels", "extra", "alpha"),
    [(4, None, 3), (4, (0,), None), (5, (0, 2), 4), (5, None, None), (2, (0,), None), (2, None, 1)],
)
def test_only_extra_channels_that_are_alpha_count(channels, extra, alpha):
    samples = noise(6, 7, channels)
    picture = decode(tiff_file(samples, 1 if channels == 2 else 2, {338: extra}))
    np.testing.assert_array_equal(picture.pixels, samples[:, :, : 1 if channels == 2 else 3])
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(picture.alpha, samples[:, :, alpha])
    left_out = channels - picture.pixels.shape[2] - (alpha is not None)
    assert picture.left_out.content == ("extra channels that are not transparency",) * bool(left_out)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [4, 5])
def test_cmyk_becomes_srgb(dtype, channels):
    inks = noise(8, 9, channels, dtype=dtype)
    picture = decode(tiff_file(inks, 5, {338: (2,) if channels == 5 else None}))
    ink = inks.astype(float) / np.iinfo(dtype).max
    np.testing.assert_allclose(picture.pixels, 255 * (1 - ink[:, :, :3]) * (1 - ink[:, :, 3:4]), atol=1.1)
    assert picture.icc is None
    assert (picture.alpha is None) == (channels == 4)


def test_cmyk_converts_through_its_profile():
    profile = bytes(vips().Operation.call("profile_load", "cmyk"))
    inks = np.full((4, 4, 4), (200, 30, 60, 10), np.uint8)
    picture = decode(tiff_file(inks, 5, {34675: profile}))
    assert np.abs(picture.pixels.astype(int) - decode(tiff_file(inks, 5)).pixels).max() > 10
    assert picture.icc is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation):
    samples = noise(4, 6, 3)
    numbers = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # of Image.Transpose
    image = Image.fromarray(samples)
    upright = image.transpose(Image.Transpose(numbers[orientation])) if orientation > 1 else image
    np.testing.assert_array_equal(decode(tiff_file(samples, 2, {274: orientation})).pixels, np.asarray(upright))


def test_resolution_and_profile_are_kept():
    samples = noise(4, 6, 3)
    data = tiff_file(samples, 2, {282: [300, 1], 283: [600, 2], 34675: SRGB_PROFILE})
    assert (decode(data).dpi, decode(data).icc) == ((300, 300), SRGB_PROFILE)
    data = tiff_file(samples, 2, {282: [100, 1], 283: [50, 1], 296: 3, 274: 6})
    assert decode(data).dpi == (127, 254), "centimetres, and turned with the picture"
    for tags in ({296: 1}, {282: [1, 0]}, {282: [0, 1]}):
        assert decode(tiff_file(samples, 2, {282: [300, 1], 283: [300, 1]} | tags)).dpi is None


def test_the_first_of_several_pages_is_used_and_the_others_are_named():
    first, second = noise(4, 6, 3), noise(7, 5, 1)
    picture = decode(tiff_pages([(first, {262: 2}), (second, {262: 1}), (second, {262: 1, 254: 2})]))
    np.testing.assert_array_equal(picture.pixels, first)
    assert picture.left_out.content == ("2 further pages",)


def test_previews_and_masks_are_not_pages():
    first, second = noise(4, 6, 3), noise(7, 5, 1)
    picture = decode(tiff_pages([(first, {262: 2}), (second, {262: 1, 254: 1}), (second, {262: 1, 254: 4})]))
    assert not picture.left_out.content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiff_file(noise(4, 4, 3).astype(np.float32), 2), "floating-point samples of 32 bits; convert it to 8 or 16"),
        (tiff_file(noise(4, 4, 1).astype(np.uint32), 1), "unsigned samples of 32 bits"),
        (tiff_file(noise(4, 4, 1).astype(np.int16), 1), "signed samples of 16 bits"),
        (tiff_file(noise(4, 4, 3), 8), "CIELAB, which is not supported; convert it to RGB"),
        (tiff_file(noise(4, 4, 3), 6), "YCbCr colours without JPEG compression"),
        (tiff_file(noise(4, 4, 4), 5, {332: 2}), "not supported; convert it to RGB"),
        (tiff_file(noise(4, 4, 1), 32803), "camera's raw picture"),
        (tiff_file(noise(4, 4, 3), 2, {50706: b"\1\4\0\0"}), "camera's raw picture"),
        (tiff_file(noise(4, 4, 3), 2, {254: 1, 330: 8}), "camera's raw picture"),
        (tiff_file(noise(4, 4, 3), 2, {259: 50000}), "compressed with ZSTD, .* save it with LZW or Deflate"),
        (tiff_file(noise(4, 4, 3), 6, {256: 14_000, 257: 14_000, 259: 7}), r"its pixels need at least \d+ bytes"),
        (tiff_file(noise(4, 4, 20), 2), "20 channels, more than 16"),
        (tiff_file(noise(4, 4, 2), 2), "corrupt"),
        (tiff_file(noise(40, 40, 3), 2)[:2000], "corrupt or cut short"),
        (b"II*\0" + bytes(60), "corrupt or cut short"),
        (b"II*\0\xff\xff\xff\xff", "corrupt or cut short"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(data, message):
    with pytest.raises(DecodeError, match=message):
        decode(data)


def test_every_truncated_file_is_refused():
    data = saved(Image.fromarray(noise(30, 30, 3)), "TIFF", compression="tiff_lzw")
    for length in range(8, len(data) - 1, 97):
        with pytest.raises(DecodeError, match="TIFF file is corrupt"):
            decode(data[:length])


def test_pixel_limit_is_checked_before_the_pixels_are_decoded():
    data = tiff_file(noise(4, 4, 3), 2, {256: 50_000, 257: 50_000})
    with pytest.raises(ImageTooLargeError, match="50000 x 50000"):
        decode(data, limits=InputLimits(pixels=200_000_000))


def test_directories_are_counted_up_to_a_limit():
    head = tiff_file(noise(1, 1, 1), 1)
    (first,) = struct.unpack_from("<I", head, 4)
    link = first + 2 + 12 * struct.unpack_from("<H", head, first)[0]
    file = bytearray(head)
    for _ in range(10_001):
        struct.pack_into("<I", file, link, len(file))
        link = len(file) + 2
        file += bytes(6)
    with pytest.raises(DecodeError, match="more than 10000 pages"):
        decode(bytes(file))


@pytest.mark.parametrize("compression", [1, 8])
def test_strips_in_the_same_place_are_refused(compression):
    """Otherwise a file of some kilobytes decodes to gigabytes."""
    row = bytes(60_000) if compression == 1 else zlib.compress(bytes(60_000))
    length = len(row)

    def shared(height):
        strips = {273: (8,) * height, 278: 1, 279: (length,) * height}
        tags = {256: 60_000, 257: height, 259: compression, **strips}
        return tiff_file(np.frombuffer(row, np.uint8).reshape(1, -1, 1), 1, tags)

    assert decode(shared(1)).width == 60_000
    with pytest.raises(DecodeError, match=r"its pixels need at least \d+ bytes"):
        decode(shared(3000), limits=InputLimits(pixels=200_000_000))


@pytest.mark.parametrize("big", [False, True])
def test_values_that_overlap_are_refused(big):
    """libtiff copies the values of all tags, so a thousand tags over the same megabyte would be a gigabyte."""
    tags = {50_000 + number: bytes(2000) for number in range(5)}
    file = bytearray(tiff_file(noise(4, 6, 1), 1, tags, big=big))
    assert decode(bytes(file)).width == 6
    number, at, size = ("Q", 8, 20) if big else ("I", 4, 12)
    (first,) = struct.unpack_from(f"<{number}", file, at)
    entries = range(first + (8 if big else 2), len(file) - size, size)
    shared = [entry for entry in entries if 50_000 <= struct.unpack_from("<H", file, entry)[0] < 50_005]
    for entry in shared:
        struct.pack_into(f"<{number}{number}", file, entry + 4, 6000, 8)
    with pytest.raises(DecodeError, match="the values of its tags overlap"):
        decode(bytes(file))
    assert len(shared) == 5


def test_a_loop_of_directories_ends():
    data = bytearray(tiff_file(noise(4, 6, 3), 2))
    (first,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<I", data, first + 2 + 12 * struct.unpack_from("<H", data, first)[0], first)
    assert decode(bytes(data)).width == 6


def test_xmp_is_kept_on_request():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>text</a></x:xmpmeta>'
    data = tiff_file(noise(4, 4, 3), 2, {700: xmp})
    assert decode(data).xmp is None
    assert b"text" in decode(data, keep_metadata=True).xmp


def test_exif_is_kept_on_request():
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x8298] = "maker", 6, "owner"
    data = saved(Image.fromarray(noise(4, 4, 3)), "TIFF", exif=exif)
    assert decode(data).exif is None
    kept = Image.Exif()
    kept.load(decode(data, keep_metadata=True).exif)
    assert dict(kept) == {0x010F: "maker", 0x8298: "owner"}
    assert decode(tiff_file(noise(4, 4, 3), 2), keep_metadata=True).exif is None


def test_exif_directory_is_kept_on_request():
    at = len(tiff_file(noise(4, 4, 3), 2, {0x8769: 1}))
    exposure = struct.pack("<HHHIIIII", 1, 0x829A, 5, 1, at + 18, 0, 1, 2)
    data = tiff_file(noise(4, 4, 3), 2, {0x8769: at}) + exposure
    kept = Image.Exif()
    kept.load(decode(data, keep_metadata=True).exif)
    assert dict(kept.get_ifd(0x8769)) == {0x829A: 0.5}


def test_pillow_reads_the_test_files():
    samples = noise(4, 6, 4)
    with Image.open(io.BytesIO(tiff_file(samples, 2, {338: (2,)}))) as image:
        np.testing.assert_array_equal(np.asarray(image), samples)
    assert sniff(tiff_file(samples, 2, big=True)) == "TIFF"
