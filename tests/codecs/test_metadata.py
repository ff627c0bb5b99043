"""Orientation, Exif, XMP and resolution in all formats."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from support.picture_files import SRGB_PROFILE, opened, photo_image, saved, smooth, with_chunks
from support.tiff_files import STORAGE_TAGS
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode, png_writer
from tilewright.codecs.formats import EncodeOptions
from tilewright.codecs.in_memory import picture_from_pillow
from tilewright.codecs.metadata import filter_exif
from tilewright.codecs.webp import riff_chunks
from tilewright.codecs.xmp import filter_xmp
from tilewright.literals import FILE_FORMATS, FORMATS
from tilewright.picture import Picture

XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
  xmlns:xmpGImg="http://ns.adobe.com/xap/1.0/g/img/" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:exif="http://ns.adobe.com/exif/1.0/" tiff:Orientation="6" tiff:Make="Maker" xmp:Rating="4">
  <tiff:ImageWidth>640</tiff:ImageWidth><exif:PixelXDimension>640</exif:PixelXDimension>
  <dc:creator>Ada</dc:creator>
  <xmp:Thumbnails><rdf:Alt><rdf:li xmpGImg:width="9"><xmpGImg:image>/9j/THUMB</xmpGImg:image></rdf:li></rdf:Alt>
  </xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def camera_exif(orientation=6):
    """Returns Exif as cameras write it, with maker note, location and a thumbnail in a second IFD."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x0100] = "Maker", orientation, 640
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 150.0, 2
    exif_ifd = exif.get_ifd(0x8769)
    exif_ifd[0x9003], exif_ifd[0xA002], exif_ifd[0xA003] = "2026:01:02 03:04:05", 640, 480
    exif_ifd[0x927C] = b"NOTE with PREVIEW"
    exif.get_ifd(0x8825)[1] = "N"
    data = bytearray(exif.tobytes())
    tiff = data[6:]
    # The offset of the second IFD follows the entries of the first.
    first = struct.unpack_from(">I", tiff, 4)[0]
    link = first + 2 + 12 * struct.unpack_from(">H", tiff, first)[0]
    second = len(tiff)
    struct.pack_into(">I", tiff, link, second)
    at = second + 2 + 2 * 12 + 4
    tiff += struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, at, 0x0202, 4, 1, 9, 0) + b"THUMBNAIL"
    return b"Exif\0\0" + bytes(tiff)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("target", FILE_FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_orientation_is_applied_once(source, target, orientation, keep):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(saved(photo_image(), source, exif=exif, lossless=True), keep_metadata=keep)
    image = opened(encode(picture, target, EncodeOptions(lossless=True)))
    assert image.getexif().get(0x0112, 1) == 1
    assert image.size == ((40, 24) if orientation < 5 else (24, 40))


@pytest.mark.parametrize("target", FILE_FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_metadata_is_dropped_by_default(source, target):
    data = saved(photo_image(), source, exif=camera_exif(), xmp=XMP)
    assert b"Maker" in data
    result = encode(decode(data), target)
    for trace in (b"Maker", b"2026", b"PREVIEW", b"THUMB", b"xmpmeta", b"Ada"):
        assert trace not in result


@pytest.mark.parametrize("target", FILE_FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_kept_metadata_has_no_stale_entries(source, target):
    if source == "PNG":  # Pillow does not write XMP to PNG files from this option
        data = with_chunks(
            saved(photo_image(), "PNG"),
            (b"eXIf", camera_exif()[6:]),
            (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP),
        )
    else:
        data = saved(photo_image(), source, exif=camera_exif(), xmp=XMP)
    picture = decode(data, keep_metadata=True)
    result = encode(picture, target)
    image = opened(result)
    exif = image.getexif()
    exif_ifd = exif.get_ifd(0x8769)
    assert (exif[0x010F], exif_ifd[0x9003], exif.get_ifd(0x8825)[1]) == ("Maker", "2026:01:02 03:04:05", "N")
    assert exif.get(0x0112, 1) == 1
    assert exif.get(0x0100, image.width) == image.width
    assert exif_ifd.get(0xA002, image.width) == image.width
    assert exif_ifd.get(0xA003, image.height) == image.height
    assert not exif.get_ifd(1)
    packet = image.info["xmp"] if target != "PNG" else image.info["XML:com.adobe.xmp"].encode()
    for kept in (b"Ada", b"tiff:Make=", b"xmp:Rating="):
        assert kept in packet
    for stale in (b"NOTE", b"PREVIEW", b"THUMB", b"Orientation=", b"ImageWidth>", b"PixelXDimension>"):
        assert stale not in result


def test_pillow_image_gives_the_same_metadata_as_its_file():
    data = saved(photo_image(), "JPG", exif=camera_exif(), xmp=XMP, dpi=(200, 100))
    for keep in (False, True):
        from_file = decode(data, keep_metadata=keep)
        from_image = picture_from_pillow(opened(data), keep_metadata=keep)
        assert (from_file.exif, from_file.xmp) == (from_image.exif, from_image.xmp)
        assert from_file.dpi == from_image.dpi == (100, 200)
        assert (from_file.exif is not None) == keep


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize("xmp", [b"", b"<x", b"\xff\xfe\0", BOMB, b"<x/>" + bytes(2**20), b"<a>" * 5000])
@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_malformed_metadata_is_dropped_and_the_picture_decodes(exif, xmp):
    data = with_chunks(
        saved(photo_image(), "PNG"),
        (b"eXIf", exif),
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp.replace(b"\0", b" ")),
    )
    picture = decode(data, keep_metadata=True)
    assert np.array_equal(picture.pixels, np.asarray(photo_image()))
    assert picture.exif is None
    for file_format in FILE_FORMATS:
        assert opened(encode(picture, file_format)).size == (40, 24)


def test_deeply_nested_xmp_does_not_recurse():
    depth = 5000
    packet = b"<a>" * depth + b"</a>" * depth
    assert filter_xmp(packet).packet == packet.replace(b"<a></a>", b"<a/>")


def resolution_of(data):
    """Returns the resolution of a file in pixels per inch, as read by Pillow."""
    image = opened(data)
    exif = image.getexif()
    if image.format in ("WEBP", "TIFF"):  # Pillow gives TIFF files without a resolution one of 1
        return (float(exif[0x011A]), float(exif[0x011B])) if 0x011A in exif else None
    return image.info.get("dpi")


@pytest.mark.parametrize("target", FILE_FORMATS)
@pytest.mark.parametrize("source", [*FORMATS, "JPG by Exif"])
def test_resolution_scales_with_the_picture(source, target):
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 150.0, 2
    if source in ("PNG", "JPG"):
        data = saved(photo_image(), source, dpi=(300, 150))
    else:
        data = saved(photo_image(), source[:4].strip(), exif=exif)
    picture = decode(data)
    assert picture.dpi == pytest.approx((300, 150), abs=0.1)
    larger = picture.enlarged(np.repeat(np.repeat(picture.pixels, 3, 0), 3, 1), None)
    assert resolution_of(encode(larger, target)) == pytest.approx((900, 450), abs=0.1)


def double_exif(value, unit):
    """Returns Exif data with a resolution of type DOUBLE, which can hold any number."""
    entries = struct.pack("<HHII", 0x011A, 12, 1, 50) + struct.pack("<HHII", 0x011B, 12, 1, 50)
    entries += struct.pack("<HHIHH", 0x0128, 3, 1, unit, 0)
    return struct.pack("<2sHIH", b"II", 42, 8, 3) + entries + bytes(4) + struct.pack("<d", value)


@pytest.mark.parametrize("unit", [2, 3])
@pytest.mark.parametrize("value", [1.7e308, 1e9, 1e-4, 5e-324, -300.0, float("inf"), float("nan")])
def test_absurd_resolutions_are_dropped(value, unit):
    data = with_chunks(saved(photo_image(), "PNG"), (b"eXIf", double_exif(value, unit)))
    picture = decode(data, keep_metadata=True)
    assert picture.dpi is None
    larger = picture.enlarged(np.repeat(np.repeat(picture.pixels, 4, 0), 4, 1), None)
    for file_format in FILE_FORMATS:
        assert opened(encode(larger, file_format)).size == (160, 96)


@pytest.mark.parametrize("per_metre", [1, 2**31, 2**32 - 1])
def test_the_most_that_png_can_say_is_clamped_to_what_each_format_can_say(per_metre):
    data = with_chunks(saved(photo_image(), "PNG"), (b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)))
    picture = decode(data)
    larger = picture.enlarged(np.repeat(np.repeat(picture.pixels, 4, 0), 4, 1), None)
    for file_format in FILE_FORMATS:
        assert opened(encode(larger, file_format)).size == (160, 96)


@pytest.mark.parametrize("dpi", [(1.7e308, 1.7e308), (300,), ("a", "b"), 300, (0, 0), (float("nan"), 1)])
def test_absurd_resolutions_of_pillow_images_are_dropped(dpi):
    image = photo_image()
    image.info["dpi"] = dpi
    assert picture_from_pillow(image).dpi is None


def test_png_writer_scales_the_resolution_to_its_size():
    file = io.BytesIO()
    picture = decode(saved(photo_image(), "PNG", dpi=(100, 50)))
    with png_writer(file, picture, picture.width * 2, picture.height * 2) as writer:
        writer.write(np.repeat(np.repeat(picture.pixels, 2, 0), 2, 1))
        writer.finish()
    assert resolution_of(file.getvalue()) == pytest.approx((200, 100), abs=0.1)


@pytest.mark.parametrize("dpi", [None, (300, 150)])
@pytest.mark.parametrize("target", FILE_FORMATS)
def test_exif_of_a_result_has_only_what_the_source_had(target, dpi):
    exif = Image.Exif()
    exif[0x010F], exif.get_ifd(0x8769)[0x9003] = "Maker", "2026:01:02 03:04:05"
    options = {} if dpi is None else {"dpi": dpi}
    picture = decode(saved(photo_image(), "JPG", exif=exif, **options), keep_metadata=True)
    result = opened(encode(picture, target)).getexif()
    assert dict(result.get_ifd(0x8769)) == {0x9003: "2026:01:02 03:04:05"}
    resolution = {} if dpi is None or target == "PNG" else {0x011A: 300, 0x011B: 150, 0x0128: 2}
    storage = STORAGE_TAGS if target == "TIFF" else set()
    found = {tag: value for tag, value in result.items() if tag not in {0x8769, *storage}}
    assert found == {0x010F: "Maker", **resolution}


def test_webp_with_a_resolution_has_no_other_exif():
    result = opened(encode(decode(saved(photo_image(), "PNG", dpi=(300, 150))), "WEBP")).getexif()
    assert dict(result) == {0x011A: pytest.approx(300, abs=0.1), 0x011B: pytest.approx(150, abs=0.1), 0x0128: 2}


def test_exif_of_empty_directories_is_dropped():
    exif = Image.Exif()
    exif[0x0112], exif.get_ifd(0x8769)[0xA002] = 1, 640
    assert filter_exif(exif.tobytes()) is None


@pytest.mark.parametrize(
    ("first", "exif_ifd", "gps", "missed"),
    [
        ({0x010F: "Maker"}, {}, {}, True),
        ({}, {0x9003: "2026:01:02 03:04:05"}, {}, True),
        ({}, {0x9286: b"ASCII\0\0\0a comment"}, {}, True),
        ({}, {0x829A: 0.01}, {}, True),
        ({}, {}, {0: b"\2\3\0\0", 1: "N"}, True),
        ({}, {}, {}, False),
        ({0x0112: 6, 0x011A: 72.0, 0x011B: 72.0, 0x0128: 2, 0x0131: "Editor 1.0"}, {}, {}, False),
        ({0x0112: 1}, {0x9000: b"0232", 0xA000: b"0100", 0xA001: 1, 0xA002: 40, 0xA003: 24}, {}, False),
        ({}, {}, {0: b"\2\3\0\0"}, False),
        ({0x010E: "      ", 0x013B: ""}, {}, {}, False),
    ],
)
def test_exif_is_listed_as_left_out_only_if_it_would_be_missed(first, exif_ifd, gps, missed):
    exif = Image.Exif()
    exif.update(first)
    for directory, tags in ((0x8769, exif_ifd), (0x8825, gps)):
        if tags:
            exif.get_ifd(directory).update(tags)
    data = saved(photo_image(), "JPG", exif=exif)
    expected = ("the Exif data",) if missed else ()
    assert decode(data).left_out.metadata == expected
    assert picture_from_pillow(opened(data)).left_out.metadata == expected
    assert decode(data, keep_metadata=True).left_out.metadata == ()


def test_damaged_exif_that_is_not_kept_causes_no_warning():
    """Warnings are errors here, but those that an except clause catches do not show."""
    exif = camera_exif()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for length in range(6, len(exif), 3):
            decode(saved(photo_image(), "JPG", exif=exif[:length], dpi=(72, 72)))
    assert not caught


def chunk_names(data):
    return [kind for kind, _ in riff_chunks(data)]


@pytest.mark.parametrize("alpha", [None, np.arange(24 * 40, dtype=np.uint8).reshape(24, 40)])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("icc", [None, SRGB_PROFILE])
@pytest.mark.parametrize("xmp", [None, XMP])
def test_exif_leaves_the_rest_of_a_webp_file_as_it_is(alpha, lossless, icc, xmp):
    options = EncodeOptions(lossless=lossless)
    plain = Picture(smooth(24, 40), alpha, icc, xmp=xmp)
    without = encode(plain, "WEBP", options)
    data = encode(replace(plain, exif=camera_exif()[6:]), "WEBP", options)
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    names = chunk_names(data)
    assert names[0] == b"VP8X"
    assert [name for name in names if name not in (b"VP8X", b"EXIF")] == [
        name for name in chunk_names(without) if name != b"VP8X"
    ]
    assert names.index(b"EXIF") == len(names) - (1 if xmp is None else 2)
    flags = 0x08 | 0x10 * (alpha is not None) | 0x20 * (icc is not None) | 0x04 * (xmp is not None)
    assert dict(riff_chunks(data))[b"VP8X"] == bytes([flags, 0, 0, 0, 39, 0, 0, 23, 0, 0])
    image, expected = opened(data), opened(without)
    assert image.mode == expected.mode
    assert np.array_equal(np.asarray(image), np.asarray(expected))
    assert decode(data, keep_metadata=True).exif == filter_exif(camera_exif())


def test_resolution_follows_the_orientation():
    assert decode(saved(photo_image(), "JPG", exif=camera_exif(6))).dpi == (150, 300)
    assert decode(saved(photo_image(), "JPG", exif=camera_exif(3))).dpi == (300, 150)


@pytest.mark.parametrize("target", FILE_FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_unknown_resolution_stays_unknown(source, target):
    picture = decode(saved(photo_image(), source))
    assert picture.dpi is None
    data = encode(picture, target)
    assert resolution_of(data) is None
    assert not opened(data).getexif().keys() - STORAGE_TAGS


def test_ratios_without_a_unit_and_invalid_values_are_no_resolution():
    data = saved(photo_image(), "JPG")
    assert data[6:14] == b"JFIF\0\1\1\0"  # unit 0
    assert decode(data).dpi is None
    plain = saved(photo_image(), "PNG")
    for body in (struct.pack(">IIB", 3, 2, 0), struct.pack(">IIB", 0, 0, 1), b"short"):
        assert decode(with_chunks(plain, (b"pHYs", body))).dpi is None
    for values in ((0.0, 0.0), (300.0, None)):
        exif = Image.Exif()
        exif.update({tag: value for tag, value in zip((0x011A, 0x011B), values, strict=True) if value is not None})
        assert decode(saved(photo_image(), "WEBP", exif=exif)).dpi is None
