"""Metadata other than the colour space: resolution, Exif and XMP."""

from __future__ import annotations

import math
from typing import Any, NamedTuple
from xml.dom import minidom
from xml.parsers.expat import ExpatError

Resolution = tuple[float, float]

# Tags of Exif 2.32 and TIFF 6 that are only true of the source file: size, orientation, resolution,
# storage of the pixels, and tags that hold pictures or repeat other metadata.
_STALE = frozenset(
    (
        0x00FE, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0111, 0x0112, 0x0115, 0x0116, 0x0117, 0x011A, 0x011B, 0x011C,
        0x0128, 0x014A, 0x0201, 0x0202, 0x0211, 0x0212, 0x0213, 0x02BC, 0x8649, 0x8773,
    )
)  # fmt: skip
# Tags of the Exif IFD: width, height and the maker note. The maker note has an unknown layout, often
# contains a preview, and its offsets become invalid when it is moved.
_STALE_EXIF = frozenset((0xA002, 0xA003, 0x927C))
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _EXIF_IFD = 0x011A, 0x011B, 0x0128, 0x8769

ORIENTATION = 0x0112
"""Exif tag of the orientation, 1 to 8."""

# Properties of XMP that are only true of the source file or hold pictures, by namespace. None: all
# properties of the namespace.
_STALE_XMP: dict[str, frozenset[str] | None] = {
    "http://ns.adobe.com/tiff/1.0/": frozenset(
        (
            "Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "PhotometricInterpretation",
            "SamplesPerPixel", "PlanarConfiguration", "XResolution", "YResolution", "ResolutionUnit",
            "YCbCrSubSampling", "YCbCrPositioning", "NativeDigest",
        )
    ),
    "http://ns.adobe.com/exif/1.0/": frozenset(("PixelXDimension", "PixelYDimension", "NativeDigest")),
    "http://ns.adobe.com/xap/1.0/": frozenset(("Thumbnails",)),
    "http://ns.adobe.com/xap/1.0/g/img/": None,
    "http://ns.google.com/photos/1.0/image/": None,
    "http://ns.google.com/photos/1.0/depthmap/": None,
    "http://ns.adobe.com/xmp/note/": None,  # refers to extended XMP, which is not kept
}  # fmt: skip

# Packets are typically a few kilobytes; the parsed tree takes about 50 times the packet's size.
_MAX_XMP_BYTES = 1 << 20


class Metadata(NamedTuple):
    """Metadata that can be carried to another file.

    Attributes:
        exif: Exif data as TIFF, without the 6-byte prefix of JPEG files; None if there is none.
        xmp: XMP packet; None if there is none.
    """

    exif: bytes | None
    xmp: bytes | None


def filter_metadata(exif: object, xmp: object, *, keep: bool) -> Metadata:
    """Returns the metadata without entries that are only true of the source file.

    Args:
        exif: Exif data as reported by a decoder. Anything but bytes counts as none.
        xmp: XMP packet as reported by a decoder. Anything but bytes counts as none.
        keep: Whether metadata is wanted at all; if False, both fields are None.
    """
    return Metadata(
        exif=filter_exif(exif) if keep and isinstance(exif, bytes) and exif else None,
        xmp=filter_xmp(xmp) if keep and isinstance(xmp, bytes) else None,
    )


def filter_exif(exif: bytes) -> bytes | None:
    """Returns Exif data without tags that are only true of the source file.

    Args:
        exif: Exif data as TIFF, with or without the 6-byte prefix of JPEG files.

    Returns:
        Exif data as TIFF without the prefix; None if it cannot be parsed or no tags remain.
    """
    try:
        tags = _parse_exif(exif)
        for tag in _STALE & tags.keys():
            del tags[tag]
        if _EXIF_IFD in tags:
            exif_ifd = tags.get_ifd(_EXIF_IFD)
            for tag in _STALE_EXIF & exif_ifd.keys():
                del exif_ifd[tag]
        # Pillow drops the second directory, which describes the thumbnail.
        return tags.tobytes().removeprefix(b"Exif\0\0") if len(tags) else None
    except Exception:  # Pillow raises many types of exception for malformed data
        return None


def filter_xmp(packet: bytes) -> bytes | None:
    """Returns an XMP packet without properties that are only true of the source file.

    Returns:
        The packet; None if it is longer than 1 MiB, declares entities or cannot be parsed.
    """
    if len(packet) > _MAX_XMP_BYTES or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    try:
        tree = minidom.parseString(packet.strip(b"\0 \t\r\n"))
        for element in tree.getElementsByTagName("*"):
            for attribute in list(element.attributes.values()):
                if _is_stale(attribute):
                    element.removeAttributeNode(attribute)
            if element.parentNode is not None and _is_stale(element):
                element.parentNode.removeChild(element)
        return tree.documentElement.toxml("utf-8") if tree.documentElement is not None else None
    except (ExpatError, ValueError, LookupError, RecursionError):  # RecursionError: deeply nested elements
        return None


def exif_resolution(exif: bytes) -> Resolution | None:
    """Returns the resolution in pixels per inch; None if it is absent, invalid or has no unit."""
    try:
        tags = _parse_exif(exif)
        x, y = float(tags[_X_RESOLUTION]), float(tags[_Y_RESOLUTION])
        return resolution(x, y, {2: 1.0, 3: 2.54}.get(tags.get(_RESOLUTION_UNIT, 2)))
    except Exception:  # Pillow raises many types of exception for malformed data
        return None


def exif_orientation(exif: bytes) -> int:
    """Returns the orientation, 1 to 8; 1 if it is absent or invalid."""
    try:
        orientation = int(_parse_exif(exif).get(ORIENTATION, 1))
    except Exception:  # Pillow raises many types of exception for malformed data
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def resolution(x: float, y: float, units_per_inch: float | None) -> Resolution | None:
    """Converts pixels per unit to pixels per inch.

    Args:
        x: Horizontal pixels per unit.
        y: Vertical pixels per unit.
        units_per_inch: Units per inch; None if the values are a ratio without a unit.

    Returns:
        Horizontal and vertical pixels per inch; None if there is no unit, or a value is not
        positive and finite.
    """
    if units_per_inch is None or not (0 < x < math.inf and 0 < y < math.inf):
        return None
    return x * units_per_inch, y * units_per_inch


def _parse_exif(exif: bytes) -> Any:
    from PIL import Image

    tags = Image.Exif()
    tags.load(exif)
    return tags


def _is_stale(node: Any) -> bool:
    if node.namespaceURI not in _STALE_XMP:
        return False
    names = _STALE_XMP[node.namespaceURI]
    return names is None or node.localName in names
