"""Chunks of PNG files beside pixels: read from a file's beginning, and made for a new one.

Names and layouts are those of the PNG specification, third edition.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.picture import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_METRES_PER_INCH = 0.0254

# What is read here; libvips reads the rest. All are short, whatever a file says.
_READ = frozenset((b"acTL", b"cHRM", b"cICP", b"gAMA", b"pHYs", b"sRGB"))
_LONGEST_READ = 32


def chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    """A whole chunk: length, name, data, checksum."""
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))])


def all_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and bodies of the chunks of a whole file that is known to be sound."""
    at = len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def leading_chunks(data: bytes) -> dict[bytes, bytes]:
    """Chunks about colour, resolution and animation, which stand before the pixels: by name, the first of each.

    Those that are cut short or damaged are left out.
    """
    chunks: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            break
        if kind in _READ and length <= _LONGEST_READ:
            body = data[at + 8 : at + 8 + length]
            if data[at : at + 12 + length] == chunk(kind, body):
                chunks.setdefault(kind, body)
        at += 12 + length
    return chunks


def resolution(chunks: dict[bytes, bytes]) -> tuple[float, float] | None:
    """Pixels per inch by the chunk pHYs; None when there is none, or it gives no unit."""
    body = chunks.get(b"pHYs", b"")
    if len(body) != 9 or body[8] != 1:
        return None
    x, y = struct.unpack(">II", body[:8])
    return (x * _METRES_PER_INCH, y * _METRES_PER_INCH) if x and y else None


def ancillary_chunks(picture: Picture, width: int, height: int) -> bytes:
    """All that a PNG file says of a picture beside its pixels: colour space, resolution, Exif, XMP.

    Args:
        picture: what the file will show.
        width: of the file, on the same paper.
        height: likewise.
    """
    chunks = []
    if picture.cicp is not None:
        chunks.append(chunk(b"cICP", picture.cicp))
    if picture.icc is not None:
        chunks.append(chunk(b"iCCP", b"icc\0\0" + zlib.compress(picture.icc)))
    if (dpi := picture.dpi_at(width, height)) is not None:
        x, y = (min(2**31 - 1, max(1, round(each / _METRES_PER_INCH))) for each in dpi)
        chunks.append(chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if picture.exif is not None:
        chunks.append(chunk(b"eXIf", picture.exif))
    if picture.xmp is not None:
        # Not compressed, as XMP asks for, so that it is found without reading PNG.
        chunks.append(chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + picture.xmp))
    return b"".join(chunks)
