"""Size and completeness of a picture file, without decoding it."""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING

from tilewright.codecs.bmp import read_bmp_size
from tilewright.codecs.decode import SNIFF_BYTES, sniff
from tilewright.codecs.libvips import vips

if TYPE_CHECKING:
    from pathlib import Path

_LOADERS = {
    "PNG": "pngload",
    "JPG": "jpegload",
    "WEBP": "webpload",
    "GIF": "gifload",
    "TIFF": "tiffload",
    "AVIF": "heifload",
    "HEIC": "heifload",
}

# Programs may append a few bytes to a PNG file, and pictures or videos to a JPG file.
_TAIL_BYTES = 2**16


def stored_size(path: Path) -> tuple[int, int] | None:
    """Returns width and height in pixels as the header claims; None if they cannot be read.

    An orientation in Exif is not applied: the upright picture may have both exchanged.

    Args:
        path: A file. Of anything but a regular file, None is returned and nothing is read.
    """
    counts = _counts(path)
    return None if counts is None else counts[:2]


def pixel_count(path: Path) -> int | None:
    """Returns width times height times frames as the header claims; None if it cannot be read.

    An animated PNG counts as one frame.

    Args:
        path: A file. Of anything but a regular file, None is returned and nothing is read.
    """
    counts = _counts(path)
    return None if counts is None else math.prod(counts)


def is_cut_short(path: Path) -> bool:
    """Returns whether a file is no picture, or the end of a PNG, JPG or WEBP file is missing.

    A power failure or an interrupted copy leaves such files: empty, too short or with zeros at the end.

    Args:
        path: A file. For anything but a regular file, and for one that cannot be read, False is returned.
    """
    try:
        if not path.is_file():
            return False
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(SNIFF_BYTES)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
    except OSError:
        return False
    kind = sniff(head)
    if kind == "PNG":
        return b"IEND" not in tail
    if kind == "JPG":
        return b"\xff\xd9" not in tail
    if kind == "WEBP":
        return int.from_bytes(head[4:8], "little") + 8 > size
    return kind is None


def _counts(path: Path) -> tuple[int, int, int] | None:
    """Returns width, height and number of frames; None if they cannot be read."""
    with contextlib.suppress(OSError, vips().Error):
        if not path.is_file():  # bytes read from a pipe would be lost
            return None
        with path.open("rb") as file:
            head = file.read(SNIFF_BYTES)
        kind = sniff(head)
        if kind == "BMP":
            size = read_bmp_size(head)
            return None if size is None else (*size, 1)
        if kind in _LOADERS:
            return _opened_counts(os.fsencode(path), _LOADERS[kind])
    return None


def _opened_counts(path: bytes, loader: str) -> tuple[int, int, int]:
    """Returns width, height and number of frames as libvips reads them."""
    image = vips().Operation.call(loader, path, access="sequential")
    if main := image.get("heif-primary") if image.get_typeof("heif-primary") else 0:  # need not be the first
        image = vips().Operation.call(loader, path, access="sequential", page=main)
    frames = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
    return int(image.width), int(image.height), max(1, frames)
