"""Structure of files, read before a decoder sees them: frames, screens, and limits on blocks."""

from __future__ import annotations

import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from support.animated_png import header, png, still_pixels
from tilewright.codecs import colour, decode, gif, png_chunks, webp
from tilewright.codecs.decode import decode_any
from tilewright.codecs.png_chunks import chunk
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import MAX_GIF_BLOCKS, InputLimits

# Sizes of monitors that libvips takes for a mistake of the program that wrote the file.
SCREENS = [(640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200), (2049, 10), (10, 3000)]


def gif_file(width, height, frames=1, extra=b"", left=3, top=2):
    """Returns a GIF file of red frames of 4 x 5 pixels."""
    # Codes of 3 bits: 4 clears the table before every pixel, so that codes stay short; 5 is the end.
    bits = sum(code << 3 * at for at, code in enumerate([4, 1] * 20 + [5]))
    pixels = b"\2\x10" + bits.to_bytes(16, "little") + b"\0"
    image = b"\x21\xf9\4\0\1\0\0\0\x2c" + struct.pack("<HHHHB", left, top, 4, 5, 0) + pixels
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\0\0"
    return screen + extra + image * frames + b";"


@pytest.mark.parametrize("screen", [(641, 480), (12, 9), *SCREENS])
@pytest.mark.parametrize("frames", [1, 2])
def test_screen_of_a_gif_file_is_its_size(screen, frames):
    picture = decode_any(gif_file(*screen, frames))
    assert (picture.width, picture.height) == screen
    if frames == 1:
        expected = np.zeros(screen[::-1], np.uint8)
        expected[2:7, 3:7] = 255
        np.testing.assert_array_equal(picture.alpha, expected)
        assert (picture.pixels[2:7, 3:7] == (255, 0, 0)).all()


def test_screen_that_the_frame_fills_adds_no_transparency():
    picture = decode_any(gif_file(4, 5, left=0, top=0))
    assert picture.alpha is None


@pytest.mark.parametrize("screen", [(0, 0), (1, 1)])
def test_gif_frame_larger_than_its_screen_is_whole(screen):
    picture = decode_any(gif_file(*screen, left=0, top=0))
    assert (picture.width, picture.height) == (4, 5)


def test_screen_of_a_gif_file_counts_for_the_limit_on_pixels():
    limits = InputLimits(pixels=640 * 480 - 1)
    with pytest.raises(ImageTooLargeError, match="640 x 480"):
        decode_any(gif_file(640, 480), limits=limits)


def test_structure_of_a_gif_file():
    assert gif.read_structure(gif_file(7, 9, 3)) == gif.GifStructure(7, 9, 3, first=(3, 2, 4, 5))


def test_padding_and_small_blocks_of_a_gif_file_are_skipped():
    small_blocks = b"\x21\xfe" + b"\x01A" * 50_000 + b"\0"
    data = gif_file(9, 9, extra=small_blocks)
    assert decode_any(data[:-1] + bytes(1_000_000) + b";").width == 9


def test_padding_of_a_gif_file_is_one_block():
    data = gif_file(9, 9)[:-1] + bytes(MAX_GIF_BLOCKS + 1)
    assert gif.read_structure(data).frames == 1


@pytest.mark.parametrize("block", [b"\x21\xfe" + b"\x01A" * 1000 + b"\0", b"\x21\xfe\0" * 1001])
def test_gif_file_of_too_many_blocks_is_refused_before_it_is_decoded(block, monkeypatch):
    monkeypatch.setattr(decode, "vips", lambda: pytest.fail("a decoder was called"))
    monkeypatch.setattr(gif, "MAX_GIF_BLOCKS", 1000)
    with pytest.raises(DecodeError, match="more than 1000 blocks"):
        decode_any(gif_file(9, 9, extra=block))


def test_chunks_of_a_png_file_are_limited(monkeypatch):
    monkeypatch.setattr(png_chunks, "MAX_CHUNKS", 1000)
    chunks = chunk(b"prVt", b"")
    assert decode_any(png(header(), chunks * 900, still_pixels((1, 2, 3)))).width == 8
    with pytest.raises(DecodeError, match="more than 1000 chunks"):
        decode_any(png(header(), chunks * 1001, still_pixels((1, 2, 3))))


def riff(kind, body):
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def webp_file(frames, extra=b"", flags=2):
    """Returns a WEBP animation of frames of 2 x 2 pixels."""
    still = io.BytesIO()
    Image.new("RGB", (2, 2)).save(still, "WEBP", lossless=True)
    frame = riff(b"ANMF", bytes(6) + b"\1\0\0\1\0\0\12\0\0\0" + still.getvalue()[12:])
    canvas = riff(b"VP8X", bytes([flags, 0, 0, 0]) + b"\3\0\0\3\0\0") + riff(b"ANIM", bytes(6))
    return b"RIFF" + riff(b"", b"WEBP" + canvas + extra + frame * frames)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_frames_are_counted_before_a_decoder_sees_the_file(kind, monkeypatch):
    monkeypatch.setattr(decode, "vips", lambda: pytest.fail("a decoder was called"))
    file = io.BytesIO()
    frames = [Image.new("RGB", (4, 4), (30 * number, 0, 0)) for number in range(7)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageTooLargeError, match="has 7 frames, the limit is 6"):
        decode_any(file.getvalue(), limits=InputLimits(frames=6))


def test_many_frames_of_a_webp_file_are_counted():
    assert webp.count_frames(webp_file(160_000)) == 160_000
    assert webp.count_frames(webp_file(3, flags=0)) == 1, "no animation, according to the header"


def test_chunks_of_a_webp_file_are_limited(monkeypatch):
    monkeypatch.setattr(webp, "MAX_CHUNKS", 1000)
    with pytest.raises(DecodeError, match="more than 1000 chunks"):
        decode_any(webp_file(1, extra=riff(b"none", b"") * 1000))


def test_long_webp_durations_do_not_overflow():
    """The decoder counts milliseconds in 32 bits."""
    data = webp_file(300).replace(b"\1\0\0\1\0\0\12\0\0\0", b"\1\0\0\1\0\0\xff\xff\xff\0")
    durations = {frame.milliseconds for frame in decode_any(data).frames()}
    assert durations == {2**24 - 1}


def test_tags_of_a_profile_are_limited(monkeypatch):
    tags = struct.pack(">4sII", b"junk", 0, 2**31) * 200_000
    profile = (bytes(16) + b"GRAYXYZ ").ljust(128, b"\0") + struct.pack(">I", 2**32 - 1) + tags
    unpacked = []
    monkeypatch.setattr(
        colour, "struct", SimpleNamespace(unpack=lambda *each: unpacked.append(1) or struct.unpack(*each))
    )
    assert colour.rgb_profile_from_grey(profile) is None
    assert len(unpacked) < 2000
