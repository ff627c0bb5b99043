"""Exif that older programs, such as ImageMagick, store as text in PNG files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Keyword, and then: name of the profile, number of bytes, and the bytes in hexadecimal, in lines.
_KEYWORDS = ("Raw profile type exif", "Raw profile type APP1")
_TEXT = re.compile(r"\s*\w+\s+\d+\s+([0-9a-fA-F\s]*)", re.ASCII)
_PREFIX = b"Exif\0\0"

# Exif in a JPEG file, where such profiles come from, has at most this many bytes.
_MAX_BYTES = 2**16


def raw_exif(image: Any) -> bytes | None:
    """Returns the Exif data that a PNG file stores as text; None if there is none.

    Args:
        image: Opened libvips image.

    Returns:
        Exif data as TIFF, without the prefix of JPEG files.
    """
    for text in _texts(image):
        if len(text) > 4 * _MAX_BYTES or (match := _TEXT.fullmatch(text)) is None:
            continue
        digits = "".join(match[1].split())
        data = bytes.fromhex(digits[: len(digits) // 2 * 2])
        if data.startswith((_PREFIX, b"II*\0", b"MM\0*")):
            return data.removeprefix(_PREFIX)
    return None


def _texts(image: Any) -> Iterator[str]:
    """Yields the texts of the keywords. libvips names them png-comment-NUMBER-KEYWORD."""
    for field in image.get_fields():
        if field.startswith("png-comment-") and field.endswith(_KEYWORDS):
            yield str(image.get(field))
