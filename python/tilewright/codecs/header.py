"""Reads the size of a picture from the header of its file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Pillow has readers for many other formats, some of which run programs. AVIF is last because not
# every Pillow has it.
_READERS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")


def stored_size(path: Path) -> tuple[int, int] | None:
    """Returns width and height of a picture file in pixels, without decoding the picture.

    An orientation in Exif is not applied: the upright picture may have both exchanged.

    Args:
        path: A regular file. Not everything that can be decoded can be read here, and a size does
            not mean that the file can be decoded.

    Returns:
        The size; None if it was not found.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on large pictures; nothing is decoded here
            with Image.open(path, formats=_READERS) as image:
                return image.size
    except Exception:  # Pillow's readers raise anything for damaged files
        return None
