"""Verdicts on files: what is refused before it is decoded, and why a file could not be decoded.

libvips collects its messages in one list per process, and other pictures may be decoded at the same
time. So nothing here comes from that list: reasons are found in the file itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.codecs import jpeg, png_chunks
from tilewright.codecs.jpeg_scan import read_structure
from tilewright.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.limits import InputLimits

# Deflate represents at most 258 bytes by 2 bits (RFC 1951), so 1 byte by 1/1032.
_MOST_INFLATED = 1032


def sources(kind: str, data: bytes, limits: InputLimits) -> Iterator[bytes]:
    """Yields what to give to the decoder: the file, or repaired variants of it, see `jpeg.variants`.

    A PNG file with very many texts is given without them.

    Args:
        kind: Format of the file.
        data: The whole file.
        limits: Limits on pixels.

    Raises:
        DecodeError: The file is not supported, or has fewer bytes than its pixels need.
        ImageTooLargeError: Over a limit.
    """
    if kind == "JPG":
        structure = read_structure(data)
        jpeg.check_claims(structure, len(data), limits)
        yield from jpeg.variants(data, structure)
        return
    if kind == "PNG":
        _check_png_claims(data, limits)
        data = png_chunks.without_many_texts(data)
    yield data


def find_damage(kind: str, data: bytes) -> str:
    """Describes what is wrong with a file that cannot be decoded.

    Args:
        kind: Format of the file.
        data: The whole file.
    """
    if kind == "JPG":
        return jpeg.find_damage(read_structure(data))
    if kind == "PNG":
        return png_chunks.find_damage(data) or "its compressed data is damaged"
    if kind == "WEBP" and len(data) < (size := 8 + int.from_bytes(data[4:8], "little")):
        return f"it ends after {len(data)} of {size} bytes"
    return "its compressed data is damaged"


def _check_png_claims(data: bytes, limits: InputLimits) -> None:
    header = png_chunks.read_header(data)
    if header is None:
        return
    width, height, bits = header
    limits.check_size(width, height)
    fewest = width * height * bits // (8 * _MOST_INFLATED)
    if len(data) < fewest:
        raise DecodeError(
            f"the PNG file is corrupt or cut short: {width} x {height} pixels need at least {fewest} bytes, "
            f"the file has {len(data)}"
        )
