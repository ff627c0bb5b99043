"""What files say beside pixels and colour: resolution, Exif, XMP."""

from __future__ import annotations

import math
from typing import Any
from xml.dom import minidom
from xml.parsers.expat import ExpatError

Resolution = tuple[float, float]

# Tags of Exif 2.32 and TIFF 6 that are true of the source file only: its size, orientation and resolution, how its
# pixels were stored, and what holds pictures or a second description of it.
_STALE = frozenset(
    (
        0x00FE, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0111, 0x0112, 0x0115, 0x0116, 0x0117, 0x011A, 0x011B, 0x011C,
        0x0128, 0x014A, 0x0201, 0x0202, 0x0211, 0x0212, 0x0213, 0x02BC, 0x8649, 0x8773,
    )
)  # fmt: skip
# In the Exif IFD: width, height, and the maker's note. That one is of unknown layout, often holds a preview, and its
# offsets are wrong as soon as it moves.
_STALE_EXIF = frozenset((0xA002, 0xA003, 0x927C))
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _EXIF_IFD = 0x011A, 0x011B, 0x0128, 0x8769

# By namespace, properties of XMP that say the same, or hold pictures. None: all of it.
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
    "http://ns.adobe.com/xmp/note/": None,  # points to more of it, which is not carried
}  # fmt: skip

# A packet is a few kilobytes; a tree of it takes some fifty times its size.
_LONGEST_XMP = 1 << 20


def exif_resolution(exif: bytes) -> Resolution | None:
    """Pixels per inch that Exif data tells; None when it tells none, or none that makes sense."""
    try:
        tags = _loaded(exif)
        x, y = float(tags[_X_RESOLUTION]), float(tags[_Y_RESOLUTION])
        return resolution(x, y, {2: 1.0, 3: 2.54}.get(tags.get(_RESOLUTION_UNIT, 2)))
    except Exception:  # whatever Pillow raises over strangers' bytes
        return None


def resolution(x: float, y: float, unit: float | None) -> Resolution | None:
    """Pixels per inch from pixels per unit.

    Args:
        x: across.
        y: down.
        unit: units per inch; None for ratios without a unit.
    """
    if unit is None or not (0 < x < math.inf and 0 < y < math.inf):
        return None
    return x * unit, y * unit


def kept(exif: object, xmp: object, *, wanted: bool) -> dict[str, bytes | None]:
    """The fields ``exif`` and ``xmp`` of a `Picture`, from what a decoder gives for each: bytes, or something else."""
    return {
        "exif": kept_exif(exif) if wanted and isinstance(exif, bytes) and exif else None,
        "xmp": kept_xmp(xmp) if wanted and isinstance(xmp, bytes) else None,
    }


def kept_exif(exif: bytes) -> bytes | None:
    """Exif data without what is true of its file only; None where it cannot be read, or nothing is left.

    Args:
        exif: as TIFF, with or without ``Exif\\0\\0`` before it.
    """
    try:
        tags = _loaded(exif)
        for tag in _STALE & tags.keys():
            del tags[tag]
        if _EXIF_IFD in tags:
            ours = tags.get_ifd(_EXIF_IFD)
            for tag in _STALE_EXIF & ours.keys():
                del ours[tag]
        # Pillow leaves out the second directory, which is the thumbnail's.
        return tags.tobytes().removeprefix(b"Exif\0\0") if len(tags) else None
    except Exception:  # whatever Pillow raises over strangers' bytes
        return None


def _loaded(exif: bytes) -> Any:
    from PIL import Image

    tags = Image.Exif()
    tags.load(exif)
    return tags


def kept_xmp(packet: bytes) -> bytes | None:
    """An XMP packet without what is true of its file only; None where it cannot be read."""
    if len(packet) > _LONGEST_XMP or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
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
    except (ExpatError, ValueError, LookupError, RecursionError):  # the last over elements in elements in elements
        return None


def _is_stale(node: Any) -> bool:
    if node.namespaceURI not in _STALE_XMP:
        return False
    names = _STALE_XMP[node.namespaceURI]
    return names is None or node.localName in names
