"""Size of a picture file, without decoding it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tilewright.codecs.decode import sniff
from tilewright.codecs.libvips import vips

if TYPE_CHECKING:
    from pathlib import Path

_LOADERS = {"PNG": "pngload", "JPG": "jpegload", "WEBP": "webpload", "GIF": "gifload"}

# Bytes of a file that `sniff` needs.
_HEAD = 16


def pixel_count(path: Path) -> int | None:
    """Returns width times height times frames as the header claims; None if it cannot be read.

    An animated PNG counts as one frame.

    Args:
        path: A regular file. Bytes read from a pipe would be lost.
    """
    with contextlib.suppress(OSError, vips().Error):
        if not path.is_file():
            return None
        with path.open("rb") as file:
            kind = sniff(file.read(_HEAD))
        if kind is not None:
            image = vips().Operation.call(_LOADERS[kind], str(path), access="sequential")
            frames = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
            return int(image.width) * int(image.height) * max(1, frames)
    return None
