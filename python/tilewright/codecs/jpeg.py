"""What libvips does not do for JPEG files: tell damage from oddities, and say a resolution."""

from __future__ import annotations

import re
import struct
from collections import Counter
from typing import TYPE_CHECKING

from tilewright.codecs.metadata import resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

_STRAY = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


def damage(about_header: Sequence[str], about_all: Sequence[str], data: bytes) -> str | None:
    """What the decoder warned of that shows in the picture; None when it is as it was written.

    JPEG files have no checksum. Warnings about what stands before the pixels concern the oddities of photographs that
    every viewer opens. Those about pixels mean that the decoder lost its place, but where there is only padding before
    the end marker, as many cameras write.

    Args:
        about_header: warnings that reading the header gave.
        about_all: warnings that reading the whole file gave, the header again.
        data: the file.
    """
    for warning in Counter(about_all) - Counter(about_header):
        stray = _STRAY.search(warning)
        end = data.rfind(b"\xff\xd9")
        if stray is None or len(set(data[max(0, end - int(stray[1])) : end])) > 1:
            return warning
    return None


def jfif_resolution(data: bytes) -> tuple[float, float] | None:
    """Pixels per inch by a JFIF header, which is a file's first segment; None when there is none, or it has no unit."""
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\0" or len(data) < 18:
        return None
    unit, x, y = struct.unpack(">BHH", data[13:18])
    return resolution(x, y, {1: 1.0, 2: 2.54}.get(unit))


def with_jfif_resolution(data: bytes, dpi: tuple[float, float]) -> bytes:
    """A JPEG file that has no JFIF header, as libvips writes them, with one (version 1.02) that tells a resolution."""
    x, y = (min(65535, max(1, round(each))) for each in dpi)
    header = struct.pack(">H5sHBHHBB", 16, b"JFIF\0", 0x0102, 1, x, y, 0, 0)
    return data[:2] + b"\xff\xe0" + header + data[2:]
