"""PNG chunks other than pixel data: reading them from a file, and writing those of a picture.

Chunk names and layouts follow the PNG specification, third edition.
"""

from __future__ import annotations

import struct
import zlib
from itertools import islice
from typing import TYPE_CHECKING

from tilewright.errors import DecodeError
from tilewright.limits import MAX_CHUNKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.picture import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_METRES_PER_INCH = 0.0254

# Chunks that are read here; libvips reads the others. None of them is longer than 32 bytes.
_READ = frozenset((b"cHRM", b"cICP", b"gAMA", b"pHYs", b"sRGB"))
_MAX_READ_BYTES = 32

_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_XMP = b"XML:com.adobe.xmp\0"
_FEW_TEXTS = 8

# Samples of a pixel by colour type.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

# Chunks whose checksums are checked to find what is wrong with a file. A file can have millions.
_MAX_CHECKED = 10_000


def chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    """Returns a complete chunk: length, name, data and checksum."""
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))])


def chunk_positions(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, begin and end of the data of every chunk, without copying it.

    Args:
        data: The whole file. The data of the last chunk may end beyond it.

    Raises:
        DecodeError: The file has more chunks than `tilewright.limits.MAX_CHUNKS`.
    """
    at, last = len(SIGNATURE), len(data) - 12
    header = struct.Struct(">I4s").unpack_from
    for _ in range(MAX_CHUNKS):
        if at > last:
            return
        length, kind = header(data, at)
        yield kind, at + 8, at + 8 + length
        at += 12 + length
    raise DecodeError(f"the PNG file has more than {MAX_CHUNKS} chunks; save it again with a common program")


def has_valid_checksum(data: bytes, begin: int, end: int) -> bool:
    """Returns whether a chunk is complete and its checksum is right.

    Args:
        data: The whole file.
        begin: Begin of the chunk's data, see `chunk_positions`.
        end: End of the chunk's data.
    """
    expected = zlib.crc32(memoryview(data)[begin - 4 : end])
    return data[end : end + 4] == struct.pack(">I", expected)


def all_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and data of every chunk of a file.

    Args:
        data: The whole file, which must be valid.
    """
    for kind, begin, end in chunk_positions(data):
        yield kind, data[begin:end]


def leading_chunks(data: bytes) -> dict[bytes, bytes]:
    """Returns the chunks about colour and resolution that precede the pixel data.

    Args:
        data: The whole file. Truncated and damaged chunks are skipped.

    Returns:
        Data of the chunks by name; the first chunk of each name.

    Raises:
        DecodeError: As for `chunk_positions`.
    """
    chunks: dict[bytes, bytes] = {}
    for kind, begin, end in chunk_positions(data):
        if kind == b"IDAT":
            break
        if kind in _READ and end - begin <= _MAX_READ_BYTES and has_valid_checksum(data, begin, end):
            chunks.setdefault(kind, data[begin:end])
    return chunks


def without_many_texts(data: bytes) -> bytes:
    """Returns a file without its text, except for XMP, if it has more than a few text chunks.

    Decoders decompress each of a thousand texts to up to 8 MB, and keep them all.

    Args:
        data: The whole file.
    """
    dropped, has_xmp = [], False
    for kind, begin, end in chunk_positions(data):
        if kind in _TEXTS and end + 4 <= len(data):
            if kind == b"iTXt" and not has_xmp and data.startswith(_XMP, begin):
                has_xmp = True
            else:
                dropped.append((begin - 8, end + 4))
    if len(dropped) <= _FEW_TEXTS:
        return data
    begins = [0, *(end for _, end in dropped)]
    ends = [*(begin for begin, _ in dropped), len(data)]
    return b"".join(memoryview(data)[begin:end] for begin, end in zip(begins, ends, strict=True))


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
    for kind, begin, end in islice(chunk_positions(data), _MAX_CHECKED):
        name = kind.decode("ascii", "replace") if kind.isalpha() else kind.hex(" ")
        if end + 4 > len(data):
            return f"it ends inside its chunk {name}"
        if not has_valid_checksum(data, begin, end):
            return f"the checksum of its chunk {name} is wrong"
        if kind == b"IEND":
            return None
        at = end + 4
    return "it ends before its chunk IEND" if at + 12 > len(data) else None


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
