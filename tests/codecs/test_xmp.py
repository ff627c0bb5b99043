"""XMP: hostile packets, and what is removed, scaled and added."""

from __future__ import annotations

import struct
import time
import tomllib
import warnings

import numpy as np
import pytest
from PIL import Image

from support.paths import ROOT
from support.picture_files import opened, photo_image, saved
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.metadata import FileMetadata, filter_exif, filter_metadata
from tilewright.codecs.xmp import DC, PHOTOSHOP, add_to_xmp, filter_xmp, promises, scale_xmp
from tilewright.literals import FILE_FORMATS


def packet(attributes="", content=""):
    """Returns a packet with one description."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {attributes}>{content}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def with_entities(copies):
    """Returns XML of which every reference expands to 10,000 characters."""
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "{"A" * 10_000}">]><x>{"&e;" * copies}</x>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-16-le"])
def test_document_types_are_refused_in_every_encoding(encoding):
    mark = {"utf-16-be": b"\xfe\xff", "utf-16-le": b"\xff\xfe"}.get(encoding, b"")
    hostile = mark + with_entities(30).encode(encoding)
    assert filter_xmp(hostile).packet is None
    external = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>'
    assert filter_xmp(mark + external.encode(encoding)).packet is None
    # The encoding itself is fine.
    assert filter_xmp(mark + "<x>é</x>".encode(encoding)).packet == "<x>é</x>".encode()


def test_a_file_with_entities_gets_no_xmp():
    data = saved(photo_image(), "WEBP", xmp=with_entities(30).encode("utf-16"))
    picture = decode(data, keep_metadata=True)
    assert picture.xmp is None
    assert picture.left_out.content == ("an XMP packet that cannot be read",)


def test_removing_very_many_elements_ends():
    count = 30_000
    hostile = b'<x xmlns:a="http://ns.adobe.com/xap/1.0/g/img/">' + b"<b/>" * count + b"<a:b/>" * count + b"</x>"
    began = time.process_time()
    filtered = filter_xmp(hostile).packet
    # A guard against hours for larger packets: this takes 0.4 s, or 15 s if each removal searches all elements.
    assert time.process_time() - began < 6
    assert (filtered.count(b"<b/>"), filtered.count(b"<a:b/>")) == (count, 0)


def test_the_floor_of_pillow_limits_the_data_of_exif_tags():
    """Pillow before 13 reads every tag, so tags that share their data multiply it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = [each for each in project["dependencies"] if each.startswith("pillow")]
    assert [int(each.partition(">=")[2].split(".")[0]) >= 13 for each in floors] == [True]


def test_exif_tags_that_share_their_data_do_not_multiply_it():
    count, size = 200, 4000
    offset = 8 + 2 + 12 * count + 4
    entries = b"".join(struct.pack("<HHII", 1000 + tag, 1, size, offset) for tag in range(count))
    exif = struct.pack("<2sHIH", b"II", 42, 8, count) + entries + bytes(4 + size)
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        assert len(filter_exif(exif) or b"") <= len(exif)
    assert len(messages) < count


def test_exif_with_more_tags_than_files_have_is_dropped_without_a_warning_for_each():
    count = 5000
    entries = b"".join(struct.pack("<HHII", 1000 + tag, 1, 9999, 8) for tag in range(count))
    nested = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x8769, 4, 1, 26) + bytes(4)
    for head in (struct.pack("<2sHI", b"II", 42, 8), nested):
        assert filter_exif(head + struct.pack("<H", count) + entries + bytes(4)) is None


PANORAMA = (
    'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:ProjectionType="equirectangular" '
    'GPano:FullPanoWidthPixels="200" GPano:CroppedAreaLeftPixels="20" GPano:PoseHeadingDegrees="12"'
)
PANORAMA_CONTENT = (
    "<GPano:FullPanoHeightPixels>100</GPano:FullPanoHeightPixels>"
    "<GPano:CroppedAreaTopPixels> 7 </GPano:CroppedAreaTopPixels>"
)
REGIONS = (
    '<mwg-rs:Regions xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
    'xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" rdf:parseType="Resource">'
    '<mwg-rs:AppliedToDimensions stDim:w="40" stDim:h="24" stDim:unit="pixel"/></mwg-rs:Regions>'
    '<x:MaxPageSize xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" stDim:w="9" stDim:unit="inch"/>'
)


def test_sizes_in_pixels_are_scaled_by_their_axis():
    scaled = scale_xmp(packet(PANORAMA, PANORAMA_CONTENT + REGIONS), (3, 2))
    for expected in (
        b'FullPanoWidthPixels="600"',
        b'CroppedAreaLeftPixels="60"',
        b'PoseHeadingDegrees="12"',
        b"<GPano:FullPanoHeightPixels>200<",
        b"<GPano:CroppedAreaTopPixels>14<",
        b'stDim:w="120" stDim:h="48" stDim:unit="pixel"',
        b'stDim:w="9" stDim:unit="inch"',
    ):
        assert expected in scaled


@pytest.mark.parametrize("value", ["", "wide", "nan", "inf", "1e308", "9" * 5000])
def test_sizes_that_are_no_numbers_are_left_alone(value):
    attributes = f'xmlns:P="http://ns.google.com/photos/1.0/panorama/" P:FullPanoWidthPixels="{value}"'
    assert f'"{value}"'.encode() in scale_xmp(packet(attributes), (4, 4))


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_a_panorama_keeps_its_proportions_in_the_result(file_format):
    picture = decode(saved(photo_image(), "JPG", xmp=packet(PANORAMA)), keep_metadata=True)
    larger = picture.enlarged(np.repeat(np.repeat(picture.pixels, 2, 0), 2, 1), None)
    larger = larger.enlarged(np.repeat(np.repeat(larger.pixels, 2, 0), 2, 1), None)
    result = decode(encode(larger, file_format), keep_metadata=True)
    assert b'FullPanoWidthPixels="800"' in result.xmp


MOTION = (
    'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="4000" '
    'xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
    'xmlns:Item="http://ns.google.com/photos/1.0/container/item/" hdrgm:Version="1.0" GCamera:BurstID="b"'
)
CONTAINER = (
    '<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic="GainMap" Item:Length="9"/>'
    "</rdf:li></rdf:Seq></Container:Directory>"
)


def test_pointers_to_what_is_not_carried_are_removed():
    filtered = filter_xmp(
        packet(
            MOTION, CONTAINER + '<GDepth:Data xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/">AA</GDepth:Data>'
        )
    )
    assert filtered.promised == {"the gain map", "the depth map", "the motion video"}
    for stale in (b"MotionPhoto", b"MicroVideo", b"Container", b"hdrgm", b"Item", b"hdr-gain-map", b"GDepth"):
        assert stale not in filtered.packet
    assert b'GCamera:BurstID="b"' in filtered.packet
    assert promises(packet(MOTION, CONTAINER)) == {"the gain map", "the motion video"}
    assert promises(packet('xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MotionPhoto="0"')) == frozenset()
    assert promises(packet()) == frozenset()


def test_positions_are_removed_if_the_pixels_are_rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    for orientation, kept in ((1, True), (6, False)):
        exif[0x0112] = orientation
        picture = decode(saved(photo_image(), "JPG", xmp=packet("", REGIONS), exif=exif), keep_metadata=True)
        assert (b"AppliedToDimensions" in picture.xmp) == kept


def test_properties_are_added_unless_they_exist():
    properties = {(DC, "title"): ["A & B"], (PHOTOSHOP, "City"): ["Ulm"], (DC, "subject"): ["a", "b"]}
    existing = packet('xmlns:q="http://ns.adobe.com/photoshop/1.0/" q:City="Bonn"').replace(b'about=""', b'about="u:1"')
    added = add_to_xmp(existing, properties)
    assert b"A &amp; B" in added
    assert b"<rdf:li>a</rdf:li><rdf:li>b</rdf:li>" in added
    assert b"Ulm" not in added
    assert added.count(b'rdf:about="u:1"') == 2
    assert b"Ulm" in add_to_xmp(None, properties)
    assert add_to_xmp(None, {}) is None
    assert opened(saved(photo_image(), "JPG", xmp=added)).getxmp()


@pytest.mark.parametrize("mark", [b"", b"\xff\xfe", b"\xfe\xff"])
def test_packets_in_utf_16_are_kept(mark):
    encoding = "utf-16-be" if mark == b"\xfe\xff" else "utf-16-le"
    found = FileMetadata(xmp=mark + packet("", REGIONS).decode().encode(encoding))
    filtered = filter_metadata(found, b"", keep=True, rotated=False)
    assert b"AppliedToDimensions" in filtered.xmp
    assert filtered.left_out.content == ()
