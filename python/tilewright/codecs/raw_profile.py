"""Exif that older programs, such as ImageMagick, store as text in PNG files."""

from __future__ import annotations

import re
import zlib
from itertools import islice
from typing import TYPE_CHECKING

from tilewright.codecs.png_chunks import chunk_positions, has_valid_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEYWORDS = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
# Name of the profile, number of bytes, and the bytes in hexadecimal, in lines. The quantifiers are
# possessive, because backtracking would take quadratic time.
_TEXT = re.compile(rb"\s*+\w++\s++\d++\s++([0-9a-fA-F\s]*+)")
_PREFIX = b"Exif\0\0"

# Exif in a JPEG file, where such profiles come from, has at most 64 KiB, and each byte takes two digits.
_MAX_TEXT_BYTES = 2**18

# Texts that are tried; a sound file has one.
_MAX_TEXTS = 4


def raw_exif(data: bytes) -> bytes | None:
    """Returns the Exif data that a PNG file stores as text before the pixels; None if there is none.

    Args:
        data: The whole file.

    Returns:
        Exif data as TIFF, without the prefix of JPEG files.

    Raises:
        DecodeError: The file has too many chunks.
    """
    for text in islice(_texts(data), _MAX_TEXTS):
        if len(text) > _MAX_TEXT_BYTES or (match := _TEXT.fullmatch(text)) is None:
            continue
        digits = b"".join(match[1].split()).decode("ascii")
        exif = bytes.fromhex(digits[: len(digits) // 2 * 2])
        if exif.startswith((_PREFIX, b"II*\0", b"MM\0*")):
            return exif.removeprefix(_PREFIX)
    return None


def _texts(data: bytes) -> Iterator[bytes]:
    """Yields the texts with one of the keywords, cut off beyond the greatest length."""
    for kind, begin, end in chunk_positions(data):
        if kind == b"IDAT":
            return
        if kind not in (b"tEXt", b"zTXt") or end - begin > _MAX_TEXT_BYTES:
            continue
        if data.startswith(_KEYWORDS, begin) and has_valid_checksum(data, begin, end):
            text = data[begin + len(_KEYWORDS[0]) : end]
            if kind == b"tEXt":
                yield text
            elif text[:1] == b"\0":  # the only method of compression
                try:
                    yield zlib.decompressobj().decompress(text[1:], _MAX_TEXT_BYTES + 1)
                except zlib.error:
                    yield b""  # counts as tried
