"""Decoding and encoding, against Pillow as the independent codec."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from support.paths import SHARED_DATA
from tilewright.codecs import vips
from tilewright.codecs.colour import for_equal_channels
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import check_format_limits, encode, extension, media_type, on_white, to_8_bit
from tilewright.codecs.in_memory import picture_from_array, picture_from_pillow
from tilewright.errors import DecodeError, EncodeError, ImageTooLargeError
from tilewright.limits import Limits
from tilewright.literals import FORMATS
from tilewright.picture import Picture

TORTURE = SHARED_DATA / "torture"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

needs_torture = pytest.mark.skipif(not TORTURE.is_dir(), reason="the torture pictures are not here")


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth(height, width, channels=3):
    """A picture that lossy codecs keep well."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [128 + 90 * np.sin(rows / 9 + channel) * np.cos(columns / 11) for channel in range(channels)]
    return np.stack(planes, axis=2).astype(np.uint8)


def saved(image, file_format, **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png_of(rows, width, height, depth, colour, *chunks):
    """A PNG written by hand: `rows` are the packed samples of all rows, without filter bytes."""
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[at : at + stride] for at in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    body = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def linear_grey_profile():
    """A profile for grey samples proportional to light (ICC.1: header, tag table, white point, an empty tone curve)."""

    def s15(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    d50 = s15(0.9642, 1.0, 0.8249)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"g\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + d50,
        b"kTRC": b"curv" + bytes(8),
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + d50
    return header.ljust(128, b"\0") + table + body


LINEAR_GREY = linear_grey_profile()


# --- decode -----------------------------------------------------------------------------------------------------------


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
def test_jpeg_decodes_as_pillow_does(mode):
    data = saved(Image.fromarray(smooth(40, 50)).convert(mode), "JPEG", quality=90)
    picture = decode(data)
    assert np.array_equal(picture.pixels.squeeze(), np.asarray(opened(data)))
    assert picture.source_format == "JPG"


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_kept(colour, channels):
    samples = noise(3, 4, channels, dtype=np.uint16)
    picture = decode(png_of(samples.astype(">u2").tobytes(), 4, 3, 16, colour))
    assert picture.pixels.dtype == np.uint16
    colours = 1 if channels <= 2 else 3
    assert np.array_equal(picture.pixels, samples[:, :, :colours])
    if channels != colours:
        assert picture.alpha.dtype == np.uint16
        assert np.array_equal(picture.alpha, samples[:, :, -1])


@pytest.mark.parametrize(("depth", "row"), [(1, 0b01000000), (2, 0b00111001), (4, 0x0F)])
def test_few_bits_are_stretched_to_the_full_range(depth, row):
    width = 8 // depth
    picture = decode(png_of(bytes([row]), width, 1, depth, 0))
    values = [(row >> shift) & (2**depth - 1) for shift in range(8 - depth, -1, -depth)]
    assert picture.pixels[0, :, 0].tolist() == [value * 255 // (2**depth - 1) for value in values]
    assert picture.pixels.dtype == np.uint8


@pytest.mark.parametrize("transparency", [None, b"\x00\x80"])
def test_a_palette_becomes_rgb(transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    picture = decode(saved(image, "PNG", **({} if transparency is None else {"transparency": transparency})))
    assert picture.pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert (None if picture.alpha is None else picture.alpha.tolist()) == (transparency and [[0, 128]])


def test_a_still_gif_is_read():
    image = Image.fromarray(smooth(9, 8)).quantize(16)
    picture = decode(saved(image, "GIF"))
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.source_format == "GIF"


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused_by_name(file_format):
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
def test_the_profile_is_carried(file_format):
    assert decode(saved(Image.fromarray(smooth(8, 8)), file_format, icc_profile=SRGB)).icc == SRGB
    assert decode(saved(Image.fromarray(smooth(8, 8)), file_format)).icc is None


def test_a_profile_for_another_colour_model_is_dropped():
    data = saved(Image.fromarray(smooth(8, 8, 1).squeeze()), "JPEG", icc_profile=SRGB)
    assert decode(data).icc is None


def test_cmyk_goes_through_its_profile():
    blob = vips().Operation.call("profile_load", "cmyk")  # libvips carries one
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


def test_cmyk_without_a_profile_is_the_plain_complement():
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
        (b"BM" + bytes(60), "BMP"),
        (b"II*\0" + bytes(60), "TIFF"),
        (bytes(4) + b"ftypheic" + bytes(60), "HEIC"),
        (bytes(range(1, 60)), "begin with 01 02"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "looks like text"),
    ],
)
def test_what_is_no_picture_is_described(data, hint):
    with pytest.raises(DecodeError, match="not a picture") as caught:
        decode(data)
    assert hint in caught.value.message


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.97])
def test_a_file_cut_short_is_refused(file_format, share):
    data = saved(Image.fromarray(noise(64, 64, 3)), file_format)
    with pytest.raises(DecodeError, match="corrupt or cut short"):
        decode(data[: int(len(data) * share)])


def test_a_flipped_bit_in_a_png_is_refused():
    data = bytearray(saved(Image.fromarray(noise(64, 64, 3)), "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(DecodeError, match="the PNG file is corrupt"):
        decode(bytes(data))


def test_stray_bytes_between_jpeg_markers_are_forgiven_and_not_blamed_on_the_next_file():
    data = saved(Image.fromarray(smooth(64, 64)), "JPEG")
    tables = data.index(b"\xff\xdb")
    assert np.array_equal(decode(data[:tables] + b"stray" + data[tables:]).pixels, decode(data).pixels)
    decode(data[:tables] + b"stray" + data[tables:])
    with pytest.raises(DecodeError) as caught:
        decode(saved(Image.fromarray(noise(64, 64, 3)), "WEBP")[:-50])
    assert "jpeg" not in caught.value.message.lower()


def noisy_jpeg(**options):
    data = saved(Image.fromarray(noise(64, 64, 3)), "JPEG", **options)
    scan = data.index(b"\xff\xda")
    return data, scan + 2 + struct.unpack_from(">H", data, scan + 2)[0]


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 2}])
def test_damage_that_the_decoder_notices_is_refused(options):
    """A flipped bit in a JPEG's pixels is not always noticed, there being no checksum; silence is not forgiveness."""
    data, begin = noisy_jpeg(**options)
    refused = 0
    for at in range(begin, len(data) - 2, 97):
        flipped = bytearray(data)
        flipped[at] ^= 0x10
        try:
            decode(bytes(flipped))
        except DecodeError:
            refused += 1
    assert refused >= 3


def test_lost_pixels_of_a_jpeg_are_refused():
    data, begin = noisy_jpeg()
    with pytest.raises(DecodeError, match="corrupt: VipsJpeg: Corrupt JPEG data: premature end of data segment"):
        decode(data[: (begin + len(data)) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("padding", [b"\0", bytes(500), b"\x55" * 3])
def test_padding_before_the_end_of_a_jpeg_is_forgiven_and_lost_bytes_are_not(padding):
    data, begin = noisy_jpeg(progressive=True)
    assert np.array_equal(decode(data[:-2] + padding + data[-2:]).pixels, decode(data).pixels)
    with pytest.raises(DecodeError, match="extraneous bytes before marker 0xd9"):
        decode(data[:-2] + data[begin : begin + 99].replace(b"\xff", b"\x7f") + data[-2:])


def test_a_damaged_jpeg_does_not_spoil_a_sound_one_on_another_thread():
    sound, begin = noisy_jpeg()
    damaged = sound[: (begin + len(sound)) // 2] + b"\xff\xd9"
    outcomes = []

    def work():
        for data in (sound, damaged) * 20:
            try:
                decode(data)
                outcomes.append(data is sound)
            except DecodeError:
                outcomes.append(data is damaged)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 160
    assert all(outcomes)


def test_trailing_bytes_do_no_harm():
    for file_format in ("PNG", "JPEG", "GIF"):
        data = saved(Image.fromarray(smooth(8, 8)), file_format)
        assert np.array_equal(decode(data + b"trailing" * 10).pixels, decode(data).pixels)


def test_the_pixel_limit_is_judged_by_the_header():
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    claim = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    claim += struct.pack(">I", zlib.crc32(b"IHDR" + header)) + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    with pytest.raises(ImageTooLargeError, match=r"100000 x 100000 = 10000000000 pixels, the limit is 200000000"):
        decode(claim, limits=Limits(pixels=200_000_000))


def test_decoding_from_many_threads_gives_the_same_pixels():
    files = [saved(Image.fromarray(noise(200, 100 + n, 3)), "PNG") for n in range(8)]
    expected = [decode(file).pixels for file in files]
    found: list = [None] * len(files)

    def work(number):
        found[number] = decode(files[number]).pixels

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


# --- arrays and Pillow images -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.zeros((4, 4), np.float32), "float32"),
        (np.zeros((4, 4), np.int16), "int16"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((4, 4), np.uint32), "uint32"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((3, 4, 5), np.uint8), r"\(3, 4, 5\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"\(1, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_arrays_that_are_no_picture(array, hint):
    with pytest.raises(DecodeError, match=hint):
        picture_from_array(array)


def test_arrays_of_any_layout_become_contiguous_and_native():
    array = noise(6, 8, 4, dtype=np.uint16)
    for odd in (array.astype(">u2"), np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2]):
        picture = picture_from_array(odd)
        assert picture.pixels.dtype == np.uint16
        assert picture.pixels.dtype.isnative
        assert picture.pixels.flags.c_contiguous
        assert np.array_equal(np.dstack([picture.pixels, picture.alpha]), array)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr", "HSV"])
def test_pillow_modes(mode):
    source = Image.fromarray(smooth(6, 8, 4 if "A" in mode or "a" in mode else 3))
    image = source.convert("LA").convert(mode) if mode in ("La", "PA") else source.convert(mode)
    picture = picture_from_pillow(image)
    expected = np.asarray((image.convert("LA") if mode == "La" else image).convert("RGBA"))
    grey = mode in ("1", "L", "LA", "La")
    assert picture.pixels.shape == (6, 8, 1 if grey else 3)
    assert np.array_equal(np.broadcast_to(picture.pixels, (6, 8, 3)), expected[:, :, :3])
    assert (picture.alpha is not None) == (mode[-1] in "aA")
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha, expected[:, :, 3])


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_pillow_images_keep_their_bits(mode):
    samples = noise(3, 4, dtype=np.uint16)
    image = Image.frombytes(mode, (4, 3), samples.astype(">u2" if mode[-1] == "B" else "<u2").tobytes())
    assert np.array_equal(picture_from_pillow(image).pixels[:, :, 0], samples)
    image.info["transparency"] = int(samples[1, 2])
    assert np.array_equal(picture_from_pillow(image).alpha == 0, samples == samples[1, 2])


@pytest.mark.parametrize("mode", ["I", "F", "LAB"])
def test_pillow_modes_without_equivalent_are_named(mode):
    with pytest.raises(DecodeError, match=repr(mode)):
        picture_from_pillow(Image.new(mode, (2, 2)))


def test_pillow_keeps_profile_and_palette_transparency():
    image = Image.fromarray(smooth(6, 8))
    image.info["icc_profile"] = SRGB
    assert picture_from_pillow(image).icc == SRGB
    palette = Image.new("P", (2, 1))
    palette.putdata([0, 1])
    palette.info["transparency"] = 1
    assert picture_from_pillow(palette).alpha.tolist() == [[255, 0]]


def test_a_pillow_image_of_a_broken_file_is_a_clear_error():
    data = saved(Image.fromarray(noise(64, 64, 3)), "PNG")
    with pytest.raises(DecodeError, match="cannot be read"):
        picture_from_pillow(Image.open(io.BytesIO(data[: len(data) // 2])))


# --- encode -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (300, 41)])
def test_png_loses_nothing(dtype, channels, with_alpha, size):
    icc = SRGB if channels == 3 else None
    picture = Picture(noise(*size, channels, dtype=dtype), noise(*size, dtype=dtype) if with_alpha else None, icc)
    data = encode(picture, "PNG")
    again = decode(data)
    assert np.array_equal(again.pixels, picture.pixels)
    assert again.pixels.dtype == dtype
    assert (again.alpha is None) == (not with_alpha)
    if with_alpha:
        assert np.array_equal(again.alpha, picture.alpha)
    assert again.icc == icc
    if dtype == np.uint8:  # and Pillow sees the same
        whole = picture.pixels if not with_alpha else np.dstack([picture.pixels, picture.alpha])
        assert np.array_equal(np.asarray(opened(data)), whole.squeeze(axis=2) if whole.shape[2] == 1 else whole)


@pytest.mark.parametrize("file_format", ["JPG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_stay_close(file_format, channels):
    pixels = smooth(64, 48, channels)
    image = opened(encode(Picture(pixels), file_format, 95))
    assert image.format == {"JPG": "JPEG", "WEBP": "WEBP"}[file_format]
    assert image.mode == ("L" if channels == 1 and file_format == "JPG" else "RGB")
    error = np.asarray(image.convert("RGB")).astype(int) - np.broadcast_to(pixels, (64, 48, 3))
    assert np.abs(error).mean() < 2


def test_quality_changes_the_size():
    picture = Picture(noise(64, 64, 3))
    for file_format in ("JPG", "WEBP"):
        sizes = [len(encode(picture, file_format, quality)) for quality in (20, 60, 99)]
        assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(("quality", "sampling"), [(89, (2, 2)), (90, (1, 1)), (99, (1, 1))])
def test_jpeg_keeps_full_colour_resolution_from_quality_90(quality, sampling):
    image = Image.open(io.BytesIO(encode(Picture(smooth(32, 32)), "JPG", quality)))
    assert image.layer[0][1:3] == sampling


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_format_carries_the_profile_and_nothing_else(file_format, dtype):
    image = opened(encode(Picture(smooth(16, 16).astype(dtype), None, SRGB), file_format))
    assert image.info["icc_profile"] == SRGB
    assert not image.getexif()
    assert set(image.info) <= {
        "icc_profile",
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
        "dpi",
        "background",
    } | ({"timestamp", "duration", "loop"})


def test_webp_keeps_alpha():
    alpha = np.zeros((32, 32), np.uint8)
    alpha[:, 16:] = 255
    image = opened(encode(Picture(smooth(32, 32), alpha), "WEBP"))
    assert np.array_equal(np.asarray(image)[:, :, 3], alpha)
    grey = opened(encode(Picture(smooth(32, 32, 1), alpha), "WEBP"))
    assert np.array_equal(np.asarray(grey)[:, :, 3], alpha)


@pytest.mark.parametrize("with_alpha", [False, True])
def test_grey_with_a_profile_becomes_rgb_that_looks_the_same_in_webp_and_stays_in_the_others(with_alpha):
    light = np.repeat(np.arange(0, 256, 8, dtype=np.uint8), 64).reshape(32, 64, 1)
    alpha = np.full((32, 64), 200, np.uint8) if with_alpha else None
    picture = Picture(light, alpha, LINEAR_GREY)
    image = opened(encode(picture, "WEBP", lossless=True))
    assert np.array_equal(np.asarray(image)[:, :, :3], np.broadcast_to(light, (32, 64, 3)))
    linear = light / 255  # sRGB transfer function, IEC 61966-2-1
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(in_srgb(image) - expected).max() <= 1
    assert (image.mode == "RGBA") == with_alpha
    for file_format in ("PNG", "JPG"):
        assert opened(encode(picture, file_format)).info["icc_profile"] == LINEAR_GREY
        assert decode(encode(picture, file_format)).icc == LINEAR_GREY


def test_grey_whose_profile_leads_to_lightness_becomes_srgb_in_webp():
    odd = LINEAR_GREY[:20] + b"Lab " + LINEAR_GREY[24:]
    image = opened(encode(Picture(smooth(32, 32, 1), None, odd), "WEBP"))
    assert (image.mode, image.info.get("icc_profile")) == ("RGB", None)


def test_a_grey_profile_without_a_curve_in_it_gives_none():
    where = LINEAR_GREY.index(b"kTRC")
    for odd in (b"", LINEAR_GREY[:100], LINEAR_GREY[:140], LINEAR_GREY.replace(b"kTRC", b"kTRX"), SRGB):
        assert for_equal_channels(odd) is None
    assert for_equal_channels(LINEAR_GREY[: where + 4] + b"\xff" * 8 + LINEAR_GREY[where + 12 :]) is None


def in_srgb(image):
    """What LittleCMS makes of the colours of an image with a profile."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    target = ImageCms.createProfile("sRGB")
    exact = ImageCms.Flags.NOOPTIMIZE
    rendered = ImageCms.profileToProfile(image.convert("RGB"), source, target, outputMode="RGB", flags=exact)
    return np.asarray(rendered).astype(float)


def test_jpeg_composites_on_white():
    pixels = np.zeros((16, 48, 3), np.uint8)
    alpha = np.repeat(np.array([[0, 128, 255]], np.uint8), 16, axis=1).repeat(16, axis=0)
    image = np.asarray(opened(encode(Picture(pixels, alpha), "JPG", 99))).astype(int)
    assert [image[8, x].tolist() for x in (8, 24, 40)] == [[255] * 3, [127] * 3, [0] * 3]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compositing_on_white_rounds_to_nearest(dtype):
    white = int(np.iinfo(dtype).max)
    values = np.unique(np.concatenate([np.linspace(0, white, 200), [1, 2, white - 1]]).round()).astype(dtype)
    pixels = np.repeat(values[:, None], 600, axis=0)[:, :, None] * np.ones((1, len(values), 1), dtype)
    alpha = np.broadcast_to(values[None, :], pixels.shape[:2])
    exact = white + (pixels[:, :, 0].astype(float) - white) * alpha / white
    assert np.abs(on_white(pixels, alpha)[:, :, 0] - exact).max() <= 0.5
    assert on_white(pixels, alpha).dtype == dtype


def test_sixteen_bits_become_the_nearest_eight():
    values = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_8_bit(values), np.rint(values * (255 / 65535)).astype(np.uint8))


def test_sixteen_bit_pictures_become_eight_bit_jpeg_and_webp():
    deep = smooth(32, 32).astype(np.uint16) * 257
    for file_format in ("JPG", "WEBP"):
        assert encode(Picture(deep), file_format) == encode(Picture(smooth(32, 32)), file_format)


@pytest.mark.parametrize(
    ("file_format", "longest", "able"),
    [("WEBP", 16_383, ["PNG", "JPG"]), ("JPG", 65_500, ["PNG"]), ("PNG", 2**31 - 1, [])],
)
def test_format_limits_are_known_before_any_work(file_format, longest, able):
    check_format_limits(longest, 1, file_format)
    check_format_limits(1, longest, file_format)
    for size in ((longest + 1, 1), (1, longest + 1)):
        with pytest.raises(EncodeError, match=str(longest)) as caught:
            check_format_limits(*size, file_format)
        assert (caught.value.code, caught.value.parameter) == ("unsupportedOutputFormat", "outputFormat")
        assert caught.value.allowed_values == able


@pytest.mark.parametrize(("file_format", "longest"), [("WEBP", 16_383), ("JPG", 65_500)])
def test_the_encoders_really_reach_their_limits(file_format, longest):
    for size in ((longest, 1), (1, longest)):
        assert opened(encode(Picture(np.zeros((*size, 1), np.uint8)), file_format)).size == size[::-1]


def test_read_only_pixels_are_written():
    pixels = smooth(8, 8)
    pixels.flags.writeable = False
    assert np.array_equal(decode(encode(Picture(pixels), "PNG")).pixels, smooth(8, 8))


def test_names_of_formats():
    assert [(extension(each), media_type(each)) for each in FORMATS] == [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
    ]


# --- pictures from the wild -------------------------------------------------------------------------------------------


def torture(pattern):
    return [pytest.param(path, id=path.name) for path in sorted(TORTURE.glob(pattern)) if path.is_file()]


# Pillow compares this 4-bit grey's transparent value with samples it has already stretched to 8 bits, and finds none.
PILLOW_MISSES_ALPHA = {"tbbn0g04.png"}


@needs_torture
@pytest.mark.parametrize("path", [*torture("png/**/*.png"), *torture("jpeg/**/*.jpg"), *torture("webp/*.webp")])
def test_valid_pictures_match_pillow(path):
    picture = decode(path.read_bytes())
    reference = picture_from_pillow(Image.open(path))
    assert (picture.width, picture.height) == (reference.width, reference.height)
    pixels, alpha = picture.pixels, picture.alpha
    if pixels.dtype != reference.pixels.dtype:  # Pillow cuts 16-bit colour to its high bytes
        assert path.name[6:8] == "16"
        pixels, alpha = pixels >> 8, None if alpha is None else alpha >> 8
    assert np.array_equal(np.broadcast_to(pixels, reference.pixels.shape), reference.pixels)
    if path.name not in PILLOW_MISSES_ALPHA:
        assert (alpha is None) == (reference.alpha is None)
        assert alpha is None or np.array_equal(alpha, reference.alpha)
    if reference.icc is not None and "cmyk" not in path.name:
        assert picture.icc == reference.icc


@needs_torture
@pytest.mark.parametrize("path", torture("png/pngsuite/[!P]*.png"))
def test_pngsuite_depths_and_colour_types(path):
    picture = decode(path.read_bytes())
    colour, depth = int(path.name[4]), int(path.name[6:8])  # as the suite names its files
    assert picture.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)
    assert picture.pixels.shape[2] == (1 if colour in (0, 4) else 3)
    assert picture.alpha is not None or colour not in (4, 6)


@needs_torture
@pytest.mark.parametrize("path", [*torture("corrupt/empty*"), *torture("corrupt/text*"), *torture("corrupt/trunc*")])
def test_broken_files_are_refused(path):
    with pytest.raises(DecodeError):
        decode(path.read_bytes())


@needs_torture
@pytest.mark.parametrize("path", torture("corrupt/flip*"))
def test_damaged_files_are_decoded_or_refused(path):
    # Only PNG has checksums; in the others a flipped bit may be as good a picture as any.
    try:
        decode(path.read_bytes())
        assert path.suffix != ".png"
    except DecodeError:
        pass


@needs_torture
@pytest.mark.parametrize(
    ("path", "kind"), [("jpeg.png", "JPG"), ("png.jpg", "PNG"), ("webp.png", "WEBP"), ("gif.png", "GIF")]
)
def test_misnamed_files_are_known_by_their_content(path, kind):
    assert decode((TORTURE / f"corrupt/misnamed_is_{path}").read_bytes()).source_format == kind


@needs_torture
@pytest.mark.parametrize("path", torture("bomb/*"))
def test_bombs_are_refused_by_the_limit_or_harmless(path):
    with contextlib.suppress(ImageTooLargeError):
        assert decode(path.read_bytes(), limits=Limits(pixels=30_000_000)).width == 4
