"""Text of PNG files and IPTC: kept if metadata is kept, in every format as far as it has a place for it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from support.metadata_files import IPTC, PARAMETERS, captioned, datasets, generated
from support.picture_files import opened, photo_image, saved, with_chunks
from tilewright.codecs.carried import left_out
from tilewright.codecs.decode import decode, decode_any
from tilewright.codecs.encode import encode
from tilewright.codecs.in_memory import picture_from_pillow
from tilewright.codecs.iptc import filter_iptc
from tilewright.codecs.png_text import read_text
from tilewright.literals import FILE_FORMATS


def larger(picture):
    return picture.enlarged(np.repeat(np.repeat(picture.pixels, 2, 0), 2, 1), None)


def test_text_stays_in_png():
    picture = decode(generated(), keep_metadata=True)
    result = opened(encode(larger(picture), "PNG"))
    assert result.text == {"parameters": PARAMETERS, "workflow": '{"nodes": "猫"}', "Title": "A cat"}
    assert (result.text["workflow"].lang, result.text["workflow"].tkey) == ("en", "Ablauf")
    assert left_out(picture, "PNG") == ()


@pytest.mark.parametrize("file_format", ["JPG", "WEBP"])
def test_generation_parameters_become_the_comment_in_exif(file_format):
    picture = decode(generated(Author="Ada Ä", Copyright="free"), keep_metadata=True)
    result = encode(larger(picture), file_format)
    exif = opened(result).getexif()
    comment = exif.get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be") == PARAMETERS
    assert exif[0x013B].encode("latin-1").decode() == "Ada Ä"
    assert exif[0x8298] == "free"
    assert b"A cat" in decode(result, keep_metadata=True).xmp
    assert left_out(picture, file_format) == (f"1 text entry that {file_format} has no place for (workflow)",)


def test_an_existing_comment_is_kept():
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0mine"
    data = with_chunks(generated(), (b"eXIf", exif.tobytes()[6:]))
    picture = decode(data, keep_metadata=True)
    assert b"mine" in encode(picture, "WEBP")
    assert left_out(picture, "WEBP") == ("2 text entries that WEBP has no place for (parameters, workflow)",)


def test_text_too_long_for_jpg_is_named():
    picture = decode(generated(Comment="no", Description="x" * 70_000), keep_metadata=True)
    assert PARAMETERS.encode("utf-16-be") in encode(picture, "JPG")
    names = "workflow, Comment, Description"
    assert left_out(picture, "JPG") == (f"3 text entries that JPG has no place for ({names})",)
    assert left_out(picture, "WEBP") == ("2 text entries that WEBP has no place for (workflow, Comment)",)


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_without_metadata_the_entries_are_counted_and_gone(file_format):
    picture = decode(generated(Software="tool"))
    assert picture.left_out.metadata == ("3 text entries",)
    assert left_out(picture, file_format) == ("3 text entries",)
    result = encode(picture, file_format)
    assert b"parameters" not in result
    assert b"Negative" not in result


def test_entries_about_the_old_file_are_dropped():
    data = generated(**{"Thumb::Image::Width": "40", "exif:Orientation": "6", "png:IHDR.width,height": "40, 24"})
    assert [entry.keyword for entry in read_text(data).entries] == ["parameters", "workflow", "Title"]


def test_text_after_the_pixels_is_kept():
    data = saved(photo_image(), "PNG")
    body = b"Comment\0after"
    late = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    assert decode(data[:-12] + late + data[-12:], keep_metadata=True).text[0].text == "after"


def test_decompressed_text_is_bounded():
    bomb = zlib.compress(bytes(range(1, 255)) * (6 << 12))  # 6 MiB
    entries = [(b"zTXt", b"bomb%d\0\0" % number + bomb) for number in range(30)]
    found = read_text(with_chunks(saved(photo_image(), "PNG"), *entries, (b"tEXt", b"small\0text")))
    # After four bombs of 4 MiB each, the budget is used up.
    assert (found.entries, found.skipped) == ((), 31)
    half = zlib.compress(b"x" * (3 << 20))
    found = read_text(with_chunks(saved(photo_image(), "PNG"), *[(b"zTXt", b"k\0\0" + half)] * 9))
    assert (len(found.entries), found.skipped) == (5, 4)
    picture = decode(with_chunks(saved(photo_image(), "PNG"), *entries), keep_metadata=True)
    assert picture.left_out.content == ("30 text entries (damaged or over 4 MiB)",)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"tEXt", b""),
        (b"tEXt", b"\0text"),
        (b"tEXt", b"k" * 80 + b"\0text"),
        (b"zTXt", b"k\0\1" + zlib.compress(b"text")),
        (b"zTXt", b"k\0\0" + zlib.compress(b"text")[:-5]),
        (b"zTXt", b"k\0\0text"),
        (b"iTXt", b"k\0"),
        (b"iTXt", b"k\0\0\0\xff\0\0text"),
        (b"iTXt", b"k\0\0\0\0\0\xff"),
        (b"iTXt", b"k\0\1\0\0\0text"),
        (b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(b"\niptc\n  4\nzz")),
    ],
)
def test_damaged_text_is_dropped_and_the_picture_decodes(chunk):
    data = with_chunks(saved(photo_image(), "PNG"), chunk)
    picture = decode(data, keep_metadata=True)
    assert (picture.text, picture.iptc) == ((), None)
    assert opened(encode(picture, "PNG")).text == {}


def test_animations_keep_their_text():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "moving")
    frames = [photo_image(), photo_image().rotate(180)]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], pnginfo=info)
    animation = decode_any(data, keep_metadata=True)
    assert [[entry.text for entry in frame.picture.text] for frame in animation.frames()] == [["moving"], ["moving"]]
    assert decode_any(data).left_out.metadata == ("1 text entry",)


def test_iptc_stays_in_jpg_without_previews_and_other_resources():
    picture = decode(captioned(), keep_metadata=True)
    result = encode(larger(picture), "JPG")
    kept = opened(result).info["photoshop"]
    assert list(kept) == [0x0404]
    assert kept[0x0404].rstrip(b"\0") == IPTC.partition(b"\x1c\x02\xca")[0]
    for gone in (b"THUMB", b"PREVIEW"):
        assert gone not in result


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
@pytest.mark.parametrize("with_xmp", [False, True])
def test_iptc_becomes_xmp_where_there_is_no_place_for_it(file_format, with_xmp):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
    )
    picture = decode(captioned(**({"xmp": xmp} if with_xmp else {})), keep_metadata=True)
    packet = decode(encode(larger(picture), file_format), keep_metadata=True).xmp.decode()
    assert '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Tîtle</rdf:li></rdf:Alt></dc:title>' in packet
    assert "<rdf:li>sunset</rdf:li><rdf:li>beach</rdf:li>" in packet
    assert "<photoshop:DateCreated>2026-01-02<" in packet
    assert "(c) Ada" in packet
    assert ('xmp:Rating="4"' in packet) == with_xmp


def test_iptc_is_named_if_it_is_not_kept():
    picture = decode(captioned())
    assert (picture.iptc, picture.left_out.metadata) == (None, ("the IPTC data",))
    assert b"sunset" not in encode(picture, "JPG")


def test_iptc_in_a_png_file_is_kept():
    profile = b"\niptc\n" + b"%8d\n" % len(IPTC) + IPTC.hex().encode() + b"\n"
    chunk = (b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(profile))
    assert decode(with_chunks(saved(photo_image(), "PNG"), chunk), keep_metadata=True).iptc is not None


@pytest.mark.parametrize(
    "data",
    [b"", b"\x1c", b"\x1c\x02", datasets(((1, 90), b"\x1b%G")), datasets((202, b"P")), b"Photoshop 3.0\0", b"8BIM\4\4",
     b"8BIM\4\4\0\0\0\0\0\xff", b"8BIM\4\4\xff", b"\x1c\x02\x05\x80\x04\0\0\0\x01", b"\x1c\x02\x05\0\xffshort",
     datasets(*[(25, b"k" * 1000)] * 70)],
)  # fmt: skip
def test_damaged_or_empty_iptc_is_none(data):
    assert filter_iptc(data) is None


def test_pillow_images_keep_iptc():
    data = captioned()
    assert picture_from_pillow(opened(data), keep_metadata=True).iptc == decode(data, keep_metadata=True).iptc


def test_pillow_images_keep_the_text_of_their_png_file():
    data = generated(**{"Thumb::Size": "9"})
    for keep in (False, True):
        from_image, from_file = picture_from_pillow(opened(data), keep_metadata=keep), decode(data, keep_metadata=keep)
        assert [entry[:4] for entry in from_image.text] == [entry[:4] for entry in from_file.text]
        assert from_image.left_out == from_file.left_out


@pytest.mark.parametrize("area", [(20,), (20, 12, 4, 6, 7), (-1, 5), (60_000, 60_000), "text"])
def test_invalid_positions_are_dropped_and_the_rest_is_kept(area):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x9214] = area
    picture = decode(saved(photo_image(), "WEBP", exif=exif), keep_metadata=True)
    result = opened(encode(larger(picture), "WEBP")).getexif()
    assert result[0x010F] == "Maker"
    assert 0x9214 not in result.get_ifd(0x8769)


def test_what_else_a_file_contains_is_named():
    gain_map = saved(photo_image().resize((8, 8)), "JPG")
    iso = b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
    plain = saved(photo_image(), "JPG")
    data = plain[:2] + b"\xff\xe2" + struct.pack(">H", len(iso) + 2) + iso + plain[2:] + gain_map
    for keep in (False, True):
        assert left_out(decode(data, keep_metadata=keep), "JPG") == ("the gain map",)
    xmp = b'<x xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MicroVideo="1"/>'
    motion = saved(photo_image(), "JPG", xmp=xmp)
    assert left_out(decode(motion), "JPG") == ()  # the video has been removed already
    assert left_out(decode(motion + b"\0\0\0\x18ftypmp42"), "JPG") == ("the motion video",)
    assert left_out(decode(plain), "JPG") == ()


def test_exif_positions_and_sensor_resolutions_are_scaled():
    exif = Image.Exif()
    exif_ifd = exif.get_ifd(0x8769)
    exif_ifd[0x9214], exif_ifd[0xA214], exif_ifd[0xA20E] = (20, 12, 4, 6), (40_000, 1), 4000.5
    picture = decode(saved(photo_image(), "JPG", exif=exif), keep_metadata=True)
    result = opened(encode(larger(picture), "JPG")).getexif().get_ifd(0x8769)
    assert result[0x9214] == (40, 24, 8, 12)
    assert 0xA214 not in result  # would not fit its type
    assert float(result[0xA20E]) == 8001
    exif[0x0112] = 3
    turned = decode(saved(photo_image(), "JPG", exif=exif), keep_metadata=True)
    assert 0x9214 not in opened(encode(turned, "JPG")).getexif().get_ifd(0x8769)


@pytest.mark.parametrize("lossless", [False, True])
def test_lossless_webp_is_recognised(lossless):
    for options in ({}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}):
        assert decode(saved(photo_image(), "WEBP", lossless=lossless, **options)).lossless == lossless
    frames = [photo_image(), photo_image().rotate(180)]
    animation = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=lossless)
    assert decode_any(animation).lossless == lossless
    assert not decode(saved(photo_image(), "PNG")).lossless
