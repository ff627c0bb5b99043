"""Decoding of files, compared with Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageCms

from support.picture_files import SRGB_PROFILE, noise, opened, saved, smooth
from support.threads import run_in_threads
from tilewright.codecs.decode import decode
from tilewright.codecs.in_memory import picture_from_pillow
from tilewright.codecs.libvips import vips
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import InputLimits


def packed_png(rows, width, height, depth, colour, *chunks):
    """Returns a PNG file from the packed samples of all rows, without filter bytes."""
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[at : at + stride] for at in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    body = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_lossless_files_decode_exactly(mode, file_format):
    image = Image.fromarray(noise(5, 7, len(mode)).squeeze(), mode=None)
    picture = decode(saved(image, file_format, lossless=True, exact=True))
    expected = (
        np.asarray(image.convert("RGBA" if "A" in mode else "RGB")) if file_format == "WEBP" else noise(5, 7, len(mode))
    )
    colours = picture.pixels.shape[2]
    assert np.array_equal(picture.pixels, expected[:, :, :colours])
    assert (picture.alpha is None) == ("A" not in mode)
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha, expected[:, :, -1])
    assert (picture.width, picture.height, picture.source_format) == (7, 5, file_format)
    assert colours == (1 if mode[0] == "L" and file_format == "PNG" else 3)
    assert picture.pixels.flags.c_contiguous


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_decodes_as_in_pillow(mode):
    data = saved(Image.fromarray(smooth(40, 50)).convert(mode), "JPEG", quality=90)
    picture = decode(data)
    assert np.array_equal(picture.pixels.squeeze(), np.asarray(opened(data)))
    assert picture.source_format == "JPG"


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bits_are_kept(colour, channels):
    samples = noise(3, 4, channels, dtype=np.uint16)
    picture = decode(packed_png(samples.astype(">u2").tobytes(), 4, 3, 16, colour))
    assert picture.pixels.dtype == np.uint16
    colours = 1 if channels <= 2 else 3
    assert np.array_equal(picture.pixels, samples[:, :, :colours])
    if channels != colours:
        assert picture.alpha.dtype == np.uint16
        assert np.array_equal(picture.alpha, samples[:, :, -1])


@pytest.mark.parametrize(("depth", "row"), [(1, 0b01000000), (2, 0b00111001), (4, 0x0F)])
def test_low_bit_depths_scale_to_the_full_range(depth, row):
    width = 8 // depth
    picture = decode(packed_png(bytes([row]), width, 1, depth, 0))
    values = [(row >> shift) & (2**depth - 1) for shift in range(8 - depth, -1, -depth)]
    assert picture.pixels[0, :, 0].tolist() == [value * 255 // (2**depth - 1) for value in values]
    assert picture.pixels.dtype == np.uint8


@pytest.mark.parametrize("transparency", [None, b"\x00\x80"])
def test_palette_becomes_rgb(transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    picture = decode(saved(image, "PNG", **({} if transparency is None else {"transparency": transparency})))
    assert picture.pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert (None if picture.alpha is None else picture.alpha.tolist()) == (transparency and [[0, 128]])


def test_still_gif_decodes():
    image = Image.fromarray(smooth(9, 8)).quantize(16)
    picture = decode(saved(image, "GIF"))
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.source_format == "GIF"


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_animation_is_refused_with_its_number_of_frames(file_format):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "green", "blue")]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:], duration=50)
    with pytest.raises(DecodeError, match="animation of 3 frames"):
        decode(data)
    with pytest.raises(DecodeError, match="animation of 3 frames"):
        picture_from_pillow(opened(data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_orientation_is_applied(orientation, file_format):
    image = Image.fromarray(smooth(24, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(image, file_format, exif=exif, lossless=True)
    upright = opened(data)
    expected = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # numbers of Image.Transpose
    upright = np.asarray(upright if expected is None else upright.transpose(Image.Transpose(expected)))
    picture = decode(data)
    assert np.array_equal(picture.pixels, upright)
    assert picture.pixels.flags.c_contiguous
    assert np.array_equal(picture_from_pillow(opened(data)).pixels, upright)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_icc_profile_is_kept(file_format):
    assert decode(saved(Image.fromarray(smooth(8, 8)), file_format, icc_profile=SRGB_PROFILE)).icc == SRGB_PROFILE
    assert decode(saved(Image.fromarray(smooth(8, 8)), file_format)).icc is None


def test_profile_for_another_colour_model_is_dropped():
    data = saved(Image.fromarray(smooth(8, 8, 1).squeeze()), "JPEG", icc_profile=SRGB_PROFILE)
    assert decode(data).icc is None


def test_cmyk_converts_through_its_profile():
    blob = vips().Operation.call("profile_load", "cmyk")  # built into libvips
    image = Image.new("CMYK", (16, 16), (200, 30, 60, 10))
    data = saved(image, "JPEG", quality=100, icc_profile=bytes(blob))
    picture = decode(data)
    expected = ImageCms.profileToProfile(
        opened(data),
        ImageCms.ImageCmsProfile(io.BytesIO(bytes(blob))),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert np.abs(picture.pixels.astype(int) - np.asarray(expected)).max() <= 2
    assert picture.icc is None
    assert np.array_equal(picture_from_pillow(opened(data)).pixels, picture.pixels)
    assert np.abs(picture.pixels.astype(int) - np.asarray(opened(data).convert("RGB"))).max() > 10


def test_cmyk_without_profile_converts_as_plain_complement():
    inks = noise(16, 16, 4)
    data = saved(Image.frombytes("CMYK", (16, 16), inks.tobytes()), "JPEG", quality=100)
    inks = 255 - np.asarray(opened(data)).astype(float)
    expected = inks[:, :, :3] * inks[:, :, 3:] / 255
    assert np.abs(decode(data).pixels - expected).max() <= 0.5


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"", "empty"),
        (b"this is not a picture\n", "looks like text, beginning with 'this is not"),
        (b"8BPS" + bytes(60), "it is a Photoshop file"),
        (b"BM" + bytes(60), "begin with 42 4d"),
        (bytes(4) + b"ftypisom" + bytes(60), "it is a video file"),
        (bytes(range(1, 60)), "begin with 01 02"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is an SVG drawing"),
        (b"<?xml version='1.0'?>\n<!-- a drawing -->\n<svg/>", "it is an SVG drawing"),
        (b"<!DOCTYPE html>", "looks like text, beginning with '<!DOCTYPE html>'"),
        (bytes(500), "its 500 bytes are all zero"),
        (bytes(500) + b"1", "begin with 00 00"),
        (bytes.fromhex("0005160700020000") + b"Mac OS X        ", "it is an AppleDouble file"),
    ],
)
def test_unsupported_data_is_described(data, hint):
    with pytest.raises(DecodeError, match="not a picture") as caught:
        decode(data)
    assert hint in caught.value.message


def test_trailing_bytes_are_ignored():
    for file_format in ("PNG", "JPEG", "GIF"):
        data = saved(Image.fromarray(smooth(8, 8)), file_format)
        assert np.array_equal(decode(data + b"trailing" * 10).pixels, decode(data).pixels)


def test_pixel_limit_is_checked_from_the_header():
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    claim = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    claim += struct.pack(">I", zlib.crc32(b"IHDR" + header)) + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    with pytest.raises(ImageTooLargeError, match=r"100000 x 100000 = 10000000000 pixels, the limit is 200000000"):
        decode(claim, limits=InputLimits(pixels=200_000_000))


def test_concurrent_decoding_gives_the_same_pixels():
    files = [saved(Image.fromarray(noise(200, 100 + n, 3)), "PNG") for n in range(8)]
    expected = [decode(file).pixels for file in files]
    found: list = [None] * len(files)

    def work(number):
        found[number] = decode(files[number]).pixels

    run_in_threads(*(partial(work, number) for number in range(len(files))))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_grey_in_a_lossy_webp_file_has_equal_channels():
    ramp = smooth(40, 50, 1).repeat(3, axis=2)
    data = saved(Image.fromarray(ramp), "WEBP", quality=80)
    assert (np.ptp(np.asarray(opened(data)), axis=2) == 1).any(), "decoders round green down"
    assert (np.ptp(decode(data).pixels, axis=2) == 0).all()


def test_almost_grey_webp_files_keep_their_colours():
    ramp = smooth(40, 50, 1).repeat(3, axis=2)
    ramp[:, :, 1] -= 1
    assert np.array_equal(decode(saved(Image.fromarray(ramp), "WEBP", lossless=True)).pixels, ramp)
    ramp[20:, :, 2] -= 60
    data = saved(Image.fromarray(ramp), "WEBP", quality=80)
    assert np.array_equal(decode(data).pixels, np.asarray(opened(data)))
