"""PNG chunks other than pixel data: reading them from a file, and writing those of a picture.

Chunk names and layouts follow the PNG specification, third edition.
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

# Chunks that are read here; libvips reads the others. None of them is longer than 32 bytes.
_READ = frozenset((b"acTL", b"cHRM", b"cICP", b"gAMA", b"pHYs", b"sRGB"))
_MAX_READ_BYTES = 32

# Samples of a pixel by colour type.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

# Chunks whose checksums are checked to find what is wrong with a file. A file can have millions.
_MAX_CHECKED = 10_000


def chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    """Returns a complete chunk: length, name, data and checksum."""
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))])


def all_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and data of every chunk of a file.

    Args:
        data: The whole file, which must be valid.
    """
    at = len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def leading_chunks(data: bytes) -> dict[bytes, bytes]:
    """Returns the chunks about colour, resolution and animation that precede the pixel data.

    Args:
        data: The whole file. Truncated and damaged chunks are skipped.

    Returns:
        Data of the chunks by name; the first chunk of each name.
    """
    chunks: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            break
        if kind in _READ and length <= _MAX_READ_BYTES:
            body = data[at + 8 : at + 8 + length]
            if data[at : at + 12 + length] == chunk(kind, body):
                chunks.setdefault(kind, body)
        at += 12 + length
    return chunks


def read_header(data: bytes) -> tuple[int, int, int] | None:
    """Returns width, height and bits per pixel from the chunk IHDR.

    Args:
        data: The whole file.

    Returns:
        The three numbers as the file claims them; None if the chunk is not in its place.
    """
    if data[12:16] != b"IHDR" or len(data) < 26:
        return None
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    return width, height, depth * _CHANNELS.get(colour, 1)


def find_damage(data: bytes) -> str | None:
    """Describes the first chunk that is incomplete, or has a wrong checksum.

    Args:
        data: The whole file.

    Returns:
        What is wrong; None if the chunks are sound.
    """
    at = len(SIGNATURE)
    for _ in range(_MAX_CHECKED):
        if at + 12 > len(data):
            return "it ends before its chunk IEND"
        length, kind = struct.unpack_from(">I4s", data, at)
        name = kind.decode("ascii", "replace") if kind.isalpha() else kind.hex(" ")
        end = at + 12 + length
        if end > len(data):
            return f"it ends inside its chunk {name}"
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            return f"the checksum of its chunk {name} is wrong"
        if kind == b"IEND":
            break
        at = end
    return None


def read_resolution(chunks: dict[bytes, bytes]) -> tuple[float, float] | None:
    """Returns the resolution from the chunk pHYs, in pixels per inch.

    Args:
        chunks: Chunks of a file, see `leading_chunks`.

    Returns:
        Horizontal and vertical resolution; None if the chunk is absent, invalid or has no unit.
    """
    body = chunks.get(b"pHYs", b"")
    if len(body) != 9 or body[8] != 1:
        return None
    x, y = struct.unpack(">II", body[:8])
    return (x * _METRES_PER_INCH, y * _METRES_PER_INCH) if x and y else None


def ancillary_chunks(picture: Picture, width: int, height: int) -> bytes:
    """Returns the chunks for a picture's colour space, resolution, Exif and XMP.

    Args:
        picture: Picture that the file shows, possibly at another size.
        width: Width of the file in pixels.
        height: Height of the file in pixels. The resolution is scaled to the file's size, so that
            the printed size stays the same.
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
        # XMP asks for uncompressed packets, so that tools find them without parsing PNG.
        chunks.append(chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + picture.xmp))
    return b"".join(chunks)
