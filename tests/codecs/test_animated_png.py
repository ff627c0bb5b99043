"""Animated PNG: what counts as a frame, malformed animations, and damage."""

from __future__ import annotations

import io
import struct
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from support.animated_png import (
    control,
    flat,
    frame_control,
    frame_pixels,
    header,
    is_flat,
    png,
    still_pixels,
)
from support.paths import SHARED_DATA
from tilewright.codecs import animated_png
from tilewright.codecs import raw_profile as raw_profile_module
from tilewright.codecs.decode import decode, decode_any
from tilewright.codecs.png_chunks import all_chunks, chunk
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import InputLimits
from tilewright.picture import Animation, Picture
from tilewright.testing import make_picture

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

FIRST = (frame_control(0), still_pixels(RED))
SECOND = (frame_control(1), frame_pixels(2, GREEN))
THIRD = (frame_control(3), frame_pixels(4, BLUE))
SEPARATE = (frame_control(0), frame_pixels(1, GREEN))  # a first frame after a default picture


def colours(animation):
    """Returns the colour of every frame's first pixel."""
    return [tuple(frame.picture.pixels[0, 0].tolist()) for frame in animation.frames()]


def test_only_frame_beside_a_default_image_is_the_picture():
    picture = decode(png(header(), control(1), still_pixels(RED), *SEPARATE))
    assert is_flat(picture, GREEN)
    assert picture.alpha is None
    assert (picture.width, picture.height) == (8, 6)


def test_only_frame_smaller_than_the_animation_lies_on_transparent_pixels():
    small = frame_control(0, width=3, height=2, left=4, top=1), frame_pixels(1, GREEN, width=3, height=2)
    picture = decode(png(header(), control(1), still_pixels(RED), *small))
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 4:7] = 255
    np.testing.assert_array_equal(picture.alpha, expected)
    np.testing.assert_array_equal(picture.pixels[1:3, 4:7].reshape(-1, 3), [GREEN] * 6)


def test_only_frame_keeps_colour_space_and_resolution():
    resolution = chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    picture = decode(png(header(), gamma, resolution, control(1), still_pixels(RED), *SEPARATE))
    assert picture.icc is not None
    assert picture.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.usefixtures("shared_data")
def test_field_file_with_one_frame():
    picture = decode((SHARED_DATA / "field/07_apng_one_frame_default.png").read_bytes())
    assert is_flat(picture, GREEN)


MALFORMED = {
    "no frames": (control(0), *FIRST, *SECOND),
    "2^31 frames": (control(2**31), *FIRST, *SECOND),
    "2^31 plays": (control(2, 2**31), *FIRST, *SECOND),
    "acTL twice": (control(2), control(2), *FIRST, *SECOND),
    "short acTL": (chunk(b"acTL", bytes(7)), *FIRST, *SECOND),
    "long acTL": (chunk(b"acTL", bytes(9)), *FIRST, *SECOND),
    "no fcTL": (control(1), still_pixels(RED)),
    "fcTL twice": (control(2), frame_control(0), frame_control(1), still_pixels(RED), frame_pixels(2, GREEN)),
    "short fcTL": (control(2), chunk(b"fcTL", bytes(25)), still_pixels(RED), *SECOND),
    "first frame too small": (control(2), frame_control(0, width=7), still_pixels(RED), *SECOND),
    "first frame outside": (control(2), frame_control(0, left=1), still_pixels(RED), *SECOND),
    "unknown disposal": (control(2), frame_control(0, dispose=3), still_pixels(RED), *SECOND),
    "unknown blending": (control(2), frame_control(0, blend=2), still_pixels(RED), *SECOND),
    "sequence starts at 1": (control(2), frame_control(1), still_pixels(RED), *SECOND),
    "fdAT before IDAT": (control(2), frame_control(0), frame_pixels(1, GREEN), still_pixels(RED)),
    "second frame outside": (control(2), *FIRST, frame_control(1, left=2**32 - 1), frame_pixels(2, GREEN)),
    "second frame empty": (control(2), *FIRST, frame_control(1, height=0), frame_pixels(2, GREEN)),
    "second frame without pixels": (control(2), *FIRST, frame_control(1)),
    "second frame out of order": (control(2), *FIRST, frame_control(2), frame_pixels(1, GREEN)),
    "short fdAT": (control(2), *FIRST, frame_control(1), chunk(b"fdAT", bytes(3))),
    "fdAT without fcTL": (control(2), *FIRST, frame_pixels(1, GREEN)),
}


@pytest.mark.parametrize("chunks", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_animation_is_the_still_picture(chunks):
    picture = decode_any(png(header(), *chunks))
    assert isinstance(picture, Picture)
    assert is_flat(picture, RED)


def test_animation_malformed_after_its_second_frame_is_refused():
    out_of_order = frame_control(4), frame_pixels(3, BLUE)
    with pytest.raises(DecodeError, match="corrupt after 2 frames: chunk 3 of the animation is missing"):
        decode_any(png(header(), control(3), *FIRST, *SECOND, *out_of_order))


@pytest.mark.parametrize("claimed", [1, 2, 3, 1000, 2**31 - 1])
def test_frames_in_the_file_count_and_not_the_number_it_gives(claimed):
    animation = decode_any(png(header(), control(claimed), *FIRST, *SECOND, *THIRD), limits=InputLimits(frames=3))
    assert animation.count == 3
    assert colours(animation) == [RED, GREEN, BLUE]
    with pytest.raises(ImageTooLargeError, match="has 3 frames, the limit is 2"):
        decode_any(png(header(), control(claimed), *FIRST, *SECOND, *THIRD), limits=InputLimits(frames=2))


@pytest.mark.parametrize("frames", [0, 1, 2, 2**31])
def test_claimed_number_of_frames_does_not_change_the_limit_on_pixels(frames):
    for chunks in (FIRST, (still_pixels(RED),)):
        with pytest.raises(ImageTooLargeError, match="8 x 6"):
            decode_any(png(header(), control(frames), *chunks), limits=InputLimits(pixels=47))
    with pytest.raises(ImageTooLargeError, match="8 x 6 = 48 pixels"):
        InputLimits(pixels=47).check_size(8, 6, frames=0)


def test_default_image_is_no_background_of_the_first_frame():
    """A half transparent first frame would otherwise show the default image."""
    pixels = flat((0, 255, 0, 128))
    chunks = header(colour_type=6), control(2), still_pixels((255, 0, 0, 255))
    first = frame_control(0, blend=1), chunk(b"fdAT", struct.pack(">I", 1) + pixels)
    second = frame_control(2), chunk(b"fdAT", struct.pack(">I", 3) + flat((0, 0, 255, 255)))
    animation = decode_any(png(*chunks, *first, *second))
    shown = next(iter(animation.frames())).picture
    assert is_flat(shown, GREEN)
    assert (shown.alpha == 128).all()
    assert colours(animation) == [GREEN, BLUE]


def test_first_frame_smaller_than_the_animation():
    small = frame_control(0, width=3, height=2, left=4, top=1), frame_pixels(1, GREEN, width=3, height=2)
    animation = decode_any(png(header(), control(2), still_pixels(RED), *small, *THIRD_AS_SECOND))
    first, second = (frame.picture for frame in animation.frames())
    np.testing.assert_array_equal(first.pixels[1:3, 4:7].reshape(-1, 3), [GREEN] * 6)
    assert is_flat(second, BLUE)


THIRD_AS_SECOND = (frame_control(2), frame_pixels(3, BLUE))


def test_pixels_of_a_frame_may_be_in_several_chunks():
    compressed = flat(GREEN)
    parts = [compressed[:5], b"", compressed[5:9], compressed[9:]]
    second = [chunk(b"fdAT", struct.pack(">I", 2 + number) + part) for number, part in enumerate(parts)]
    third = frame_control(6), frame_pixels(7, BLUE)
    animation = decode_any(png(header(), control(3), *FIRST, frame_control(1), *second, *third))
    assert colours(animation) == [RED, GREEN, BLUE]


def four_frames():
    frames = [Image.fromarray(make_picture(37, 41, 4)).rotate(7 * number) for number in range(4)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


def test_no_damage_inside_an_animated_file_is_taken():
    data, random = four_frames(), np.random.default_rng(1)
    for at in random.integers(33, len(data) - 12, 300):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(random.integers(8))
        with pytest.raises(DecodeError):
            list(decode_any(bytes(damaged)).frames())


def test_wrong_checksum_of_text_is_harmless_as_in_stills():
    text = bytearray(chunk(b"tEXt", b"Title\0words"))
    text[-1] ^= 1
    animation = decode_any(png(header(), bytes(text), control(3), *FIRST, *SECOND, *THIRD))
    assert isinstance(animation, Animation)
    assert colours(animation) == [RED, GREEN, BLUE]


def test_file_cut_short_between_two_frames_is_refused():
    data = png(header(), control(3), *FIRST, *SECOND, *THIRD)
    without_third = data[: -12 - len(b"".join(THIRD))]
    with pytest.raises(DecodeError, match="cut short: it ends after 2 of 3 frames"):
        decode_any(without_third)
    assert decode_any(data[:-12]).count == 3, "only IEND is missing"


def test_decoder_of_animations_gets_nothing_but_the_frames():
    """Its reader of chunks is slow, and refuses files for texts that have nothing to do with the pixels."""
    texts = chunk(b"tEXt", b"Title\0words") * 3
    data = png(header(), texts, control(3), *FIRST, texts, *SECOND, *THIRD, texts)
    repacked = animated_png.repacked(data, animated_png.read_animation(data))
    kinds = [kind for kind, _ in all_chunks(repacked)]
    assert kinds == [b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT", b"fcTL", b"fdAT", b"IEND"]


def raw_profile(exif, keyword=b"Raw profile type exif", compressed=False):
    """Returns Exif data as text, as ImageMagick writes it."""
    digits = exif.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\nexif\n{len(exif):8}\n{lines}\n".encode()
    return (
        chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text))
        if compressed
        else chunk(b"tEXt", keyword + b"\0" + text)
    )


def exif_data():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    return b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("keyword", [b"Raw profile type exif", b"Raw profile type APP1"])
@pytest.mark.parametrize("compressed", [False, True])
def test_orientation_in_a_raw_profile_is_applied(keyword, compressed):
    profile = raw_profile(exif_data(), keyword, compressed)
    picture = decode(png(header(), profile, still_pixels(RED)), keep_metadata=True)
    assert (picture.width, picture.height) == (6, 8)
    exif = Image.Exif()
    exif.load(picture.exif)
    assert dict(exif) == {0x010F: "Maker"}
    animation = decode_any(png(header(), profile, control(3), *FIRST, *SECOND, *THIRD))
    assert (animation.width, animation.height) == (6, 8)
    assert [frame.picture.width for frame in animation.frames()] == [6, 6, 6]


def test_raw_profile_that_expands_without_end_is_ignored():
    bomb = zlib.compress(b"\nexif\n 9\n" + b"4" * 50_000_000)
    profile = chunk(b"zTXt", b"Raw profile type exif\0\0" + bomb)
    assert is_flat(decode(png(header(), profile, still_pixels(RED))), RED)


def test_few_raw_profiles_are_tried(monkeypatch):
    tried = []
    monkeypatch.setattr(raw_profile_module, "_TEXT", SimpleNamespace(fullmatch=lambda text: tried.append(text)))
    data = png(header(), raw_profile(b"Exif\0\0none") * 100, still_pixels(RED))
    assert raw_profile_module.raw_exif(data) is None
    assert len(tried) == 4


def test_keywords_of_other_texts_need_not_be_utf_8():
    text = chunk(b"tEXt", b"Com\x91ment\0words")
    assert decode(png(header(), text, raw_profile(exif_data()), still_pixels(RED))).width == 6


def test_exif_chunk_precedes_a_raw_profile():
    upright = Image.Exif()
    upright[0x0112] = 1
    chunks = chunk(b"eXIf", upright.tobytes().removeprefix(b"Exif\0\0")), raw_profile(exif_data())
    picture = decode(png(header(), *chunks, still_pixels(RED)))
    assert (picture.width, picture.height) == (8, 6)


@pytest.mark.parametrize(
    "text",
    [
        b"\nexif\n 9" + b" " * 200_000 + b"z",  # quadratic with a regular expression that backtracks
        b"",
        b"\nexif\n 4\nzz",
        b"\nexif\n 99999\n45",
        b"\nexif\n" + b"9" * 5000 + b"\n4949",
        b"4" * 300_000,
    ],
)
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_malformed_raw_profile_is_ignored(text, kind):
    profile = chunk(kind, b"Raw profile type exif\0" + text)
    assert is_flat(decode(png(header(), profile, still_pixels(RED)), keep_metadata=True), RED)
