"""Headers that claim more than the file can hold are refused before a decoder sees them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from support.picture_files import noise, saved
from tilewright.codecs import decode as decode_module
from tilewright.codecs import png_text
from tilewright.codecs.decode import decode
from tilewright.codecs.jpeg import MAX_SCANS
from tilewright.codecs.jpeg_scan import read_structure
from tilewright.codecs.png_chunks import chunk, read_header
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import InputLimits


def with_jpeg_size(data, width, height):
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def with_png_size(data, width, height):
    return data[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + data[24:29]) + data[33:]


def with_scans(data, count):
    """Returns a progressive file with its last scan repeated, so that it has `count` scans."""
    structure = read_structure(data)
    begin = data.rindex(b"\xff\xda", 0, structure.scans[-1].begin)
    last = data[begin : structure.scans[-1].end]
    return data[:-2] + last * (count - len(structure.scans)) + data[-2:]


@pytest.fixture
def no_decoder(monkeypatch):
    """Lets decoding fail the test: the file must be refused before."""

    def call(*_, **__):
        pytest.fail("the decoder was called")

    monkeypatch.setattr(decode_module.vips().Operation, "call", call)


@pytest.mark.usefixtures("no_decoder")
def test_more_scans_than_the_limit_are_refused():
    data = with_scans(saved(Image.fromarray(noise(64, 64, 3)), "JPEG", progressive=True), MAX_SCANS + 1)
    with pytest.raises(ImageTooLargeError, match=f"{MAX_SCANS + 1} scans, the limit is {MAX_SCANS}"):
        decode(data)


def test_scans_after_the_end_and_in_thumbnails_do_not_count():
    image = Image.fromarray(noise(64, 64, 3))
    data = saved(image, "JPEG", progressive=True)
    many = with_scans(data, 150)
    thumbnail = b"\xff\xec" + struct.pack(">H", 2 + 60_000) + (many * 20)[:60_000]
    assert len(read_structure(data[:2] + thumbnail + data[2:] + many).scans) == 10
    assert np.array_equal(decode(data[:2] + thumbnail + data[2:] + many).pixels, decode(data).pixels)


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_is_too_short_for_its_size_is_refused(mode, progressive):
    data = with_jpeg_size(saved(Image.new(mode, (64, 64)), "JPEG", progressive=progressive), 60_000, 3000)
    with pytest.raises(DecodeError, match=r"corrupt or cut short: 60000 x 3000 pixels need at least \d+ bytes"):
        decode(data)
    with pytest.raises(ImageTooLargeError):
        decode(data, limits=InputLimits(pixels=1_000_000))


def with_segments(data, segments):
    """Returns a JPEG file with segments after its first marker."""
    return data[:2] + segments + data[2:]


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize("segment", [b"\xff\xfe\0\0", b"\xff\xfe\0\1", b"\xff\xe5\0\0"])
def test_segments_that_claim_no_length_hide_nothing(segment):
    """Decoders take a length below 2 for an empty segment, and go on."""
    short = with_jpeg_size(saved(Image.new("CMYK", (64, 64)), "JPEG", progressive=True), 60_000, 3000)
    with pytest.raises(DecodeError, match=r"need at least \d+ bytes"):
        decode(with_segments(short, segment))
    many = with_scans(saved(Image.fromarray(noise(64, 64, 3)), "JPEG", progressive=True), MAX_SCANS + 1)
    scan = many.index(b"\xff\xda")
    for data in (with_segments(many, segment), many[:scan] + segment + many[scan:]):
        with pytest.raises(ImageTooLargeError, match=f"{MAX_SCANS + 1} scans"):
            decode(data)


def test_segments_that_claim_no_length_do_no_harm():
    data = saved(Image.fromarray(noise(64, 64, 3)), "JPEG")
    assert np.array_equal(decode(with_segments(data, b"\xff\xfe\0\0")).pixels, decode(data).pixels)


@pytest.mark.usefixtures("no_decoder")
def test_jpeg_of_very_many_segments_is_refused():
    data = with_segments(saved(Image.new("L", (64, 64)), "JPEG"), b"\xff\xfe\0\2" * 10_001)
    with pytest.raises(DecodeError, match="more than 10000 segments"):
        decode(data)


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize(("progressive", "frame"), [(False, 0xC9), (True, 0xCA)])
def test_large_arithmetic_jpeg_of_few_bytes_is_refused(progressive, frame):
    data = with_jpeg_size(saved(Image.new("CMYK", (64, 64)), "JPEG", progressive=progressive), 60_000, 3000)
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 1
    with pytest.raises(DecodeError, match=r"60000 x 3000 pixels need at least \d+ bytes"):
        decode(data[:at] + bytes([frame]) + data[at + 1 :])


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_png_that_is_too_short_for_its_size_is_refused(mode):
    data = with_png_size(saved(Image.new(mode, (64, 64)), "PNG"), 60_000, 3000)
    with pytest.raises(DecodeError, match=r"corrupt or cut short: 60000 x 3000 pixels need at least \d+ bytes"):
        decode(data)
    with pytest.raises(ImageTooLargeError):
        decode(data, limits=InputLimits(pixels=1_000_000))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_smallest_sound_jpeg_is_accepted(mode, options):
    data = saved(Image.new(mode, (1001, 777)), "JPEG", quality=1, **options)
    structure = read_structure(data)
    assert 0 < structure.fewest_bytes < len(data)
    assert decode(data).width == 1001


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "I;16"])
def test_smallest_sound_png_is_accepted(mode):
    data = saved(Image.new(mode, (3001, 1777)), "PNG", compress_level=9)
    assert read_header(data)[:2] == (3001, 1777)
    assert decode(data).width == 3001


def test_header_of_png_gives_bits_per_pixel():
    bits = {
        mode: read_header(saved(Image.new(mode, (4, 4)), "PNG"))[2] for mode in ("1", "L", "LA", "RGB", "RGBA", "P")
    }
    assert bits == {"1": 1, "L": 8, "LA": 16, "RGB": 24, "RGBA": 32, "P": 1}


def test_decoder_does_not_see_a_thousand_texts(monkeypatch):
    """libpng would decompress and keep them all: gigabytes from a few megabytes."""
    data = saved(Image.fromarray(noise(8, 8, 3)), "PNG")
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b"<a>text</a>")
    texts = [chunk(b"zTXt", b"key\0\0" + zlib.compress(b"1" * 1000)) for _ in range(1000)]
    given, call = [], decode_module.vips().Operation.call

    def recorded(name, source, **options):
        given.append(source)
        return call(name, source, **options)

    monkeypatch.setattr(decode_module.vips().Operation, "call", recorded)
    picture = decode(data[:33] + b"".join([*texts[:500], xmp, *texts[500:]]) + data[33:], keep_metadata=True)
    assert given == [data[:33] + xmp + data[33:]]
    assert (len(picture.text), picture.xmp) == (1000, b"<a>text</a>")
    assert np.array_equal(picture.pixels, decode(data).pixels)
    few = data[:33] + texts[0] + xmp + data[33:]
    assert decode(few).width == 8
    assert given[-1] is few


def test_texts_beyond_the_limit_are_counted_and_not_read(monkeypatch):
    checked, check = [], png_text.has_valid_checksum

    def counted(*where):
        checked.append(where)
        return check(*where)

    monkeypatch.setattr(png_text, "has_valid_checksum", counted)
    data = saved(Image.new("L", (8, 8)), "PNG")
    text = png_text.read_text(data[:33] + chunk(b"tEXt", b"key\0text") * 5000 + data[33:])
    assert (len(text.entries), text.skipped, len(checked)) == (1000, 4000, 1000)
