"""IPTC metadata: title, keywords, rights and more, as stored in JPEG files.

It is a sequence of datasets (IPTC-NAA Information Interchange Model, version 4.2) inside an image
resource of Photoshop. PNG and WEBP have no place for it; there it becomes XMP.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tilewright.codecs.xmp import DC, IPTC_CORE, PHOTOSHOP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.codecs.xmp import Properties

_PHOTOSHOP_HEADER = b"Photoshop 3.0\0"
_RESOURCE = b"8BIM"
_IPTC_RESOURCE = 0x0404

# Data of one segment of a JPEG file, less the headers.
_MAX_BYTES = 65_000

_CHARACTER_SET = (1, 90)
_UTF_8 = b"\x1b%G"
# Data of a preview of the picture.
_STALE = frozenset(((2, 200), (2, 201), (2, 202)))
_DATE_CREATED = (2, 55)

# XMP properties by dataset (IPTC Photo Metadata Standard, "IIM" and "XMP" of each field).
_PROPERTIES = {
    (2, 5): (DC, "title"),
    (2, 10): (PHOTOSHOP, "Urgency"),
    (2, 15): (PHOTOSHOP, "Category"),
    (2, 20): (PHOTOSHOP, "SupplementalCategories"),
    (2, 25): (DC, "subject"),
    (2, 40): (PHOTOSHOP, "Instructions"),
    _DATE_CREATED: (PHOTOSHOP, "DateCreated"),
    (2, 80): (DC, "creator"),
    (2, 85): (PHOTOSHOP, "AuthorsPosition"),
    (2, 90): (PHOTOSHOP, "City"),
    (2, 92): (IPTC_CORE, "Location"),
    (2, 95): (PHOTOSHOP, "State"),
    (2, 100): (IPTC_CORE, "CountryCode"),
    (2, 101): (PHOTOSHOP, "Country"),
    (2, 103): (PHOTOSHOP, "TransmissionReference"),
    (2, 105): (PHOTOSHOP, "Headline"),
    (2, 110): (PHOTOSHOP, "Credit"),
    (2, 115): (PHOTOSHOP, "Source"),
    (2, 116): (DC, "rights"),
    (2, 120): (DC, "description"),
    (2, 122): (PHOTOSHOP, "CaptionWriter"),
}


def filter_iptc(data: bytes) -> bytes | None:
    """Returns the datasets that stay true of the picture at another size.

    Args:
        data: Image resources of Photoshop, with their header, or bare datasets.

    Returns:
        The datasets about the object and their character set, without previews; None if there are
        none, or more than 65,000 bytes.
    """
    kept = [
        _dataset(*key, value)
        for key, value in _datasets(_iptc_resource(data))
        if key == _CHARACTER_SET or (key[0] == 2 and key not in _STALE)
    ]
    datasets = b"".join(kept)
    is_empty = all(each[1] != 2 for each in kept)
    return None if is_empty or len(datasets) > _MAX_BYTES else datasets


def as_photoshop(iptc: bytes) -> bytes:
    """Returns datasets as the image resource of Photoshop that JPEG files contain."""
    return (
        _PHOTOSHOP_HEADER + struct.pack(">4sHHI", _RESOURCE, _IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    )


def as_properties(iptc: bytes) -> Properties:
    """Returns the datasets that have an equivalent in XMP."""
    encoding = None
    properties: Properties = {}
    for key, value in _datasets(iptc):
        if key == _CHARACTER_SET:
            encoding = "utf-8" if value == _UTF_8 else None
        elif key in _PROPERTIES and (text := _text(value, encoding)):
            if key == _DATE_CREATED:  # YYYYMMDD; XMP has hyphens
                text = "-".join(filter(None, (text[:4], text[4:6], text[6:8])))
            properties.setdefault(_PROPERTIES[key], []).append(text)
    return properties


def _text(value: bytes, encoding: str | None) -> str:
    """Returns a text. Without a character set it is UTF-8 if it can be, else Latin-1."""
    try:
        return value.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError:
        return value.decode(encoding or "latin-1", "replace").strip("\0 ")


def _iptc_resource(data: bytes) -> bytes:
    """Returns the datasets in the image resources of Photoshop, or `data` if it is no such thing."""
    if not data.startswith((_PHOTOSHOP_HEADER, _RESOURCE)):
        return data
    at = data.find(_RESOURCE)
    while at >= 0 and at + 12 <= len(data) and data[at : at + 4] == _RESOURCE:
        (number,) = struct.unpack_from(">H", data, at + 4)
        name_length = data[at + 6] + 1
        at += 6 + name_length + name_length % 2
        if at + 4 > len(data):
            break
        (length,) = struct.unpack_from(">I", data, at)
        at += 4
        if number == _IPTC_RESOURCE:
            return data[at : at + length]
        at += length + length % 2
    return b""


def _datasets(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yields record and number of every dataset, and its value, up to the first damaged one."""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", data, at + 1)
        at += 5
        if length & 0x8000 or at + length > len(data):  # extended lengths are for pictures
            return
        yield (record, number), data[at : at + length]
        at += length


def _dataset(record: int, number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value
