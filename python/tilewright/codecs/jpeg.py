"""JPEG support that libvips lacks: damage in the pixel data, and the resolution in JFIF headers."""

from __future__ import annotations

import re
import struct
from collections import Counter
from typing import TYPE_CHECKING

from tilewright.codecs.metadata import resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright.codecs.metadata import Resolution

_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")


def find_damage(header_warnings: Sequence[str], all_warnings: Sequence[str], data: bytes) -> str | None:
    """Returns the first decoder warning that means damaged pixels.

    JPEG files have no checksums. Warnings about the header are ignored: they are common in
    photographs that every viewer opens. Warnings about the pixels mean that the decoder lost
    synchronisation, except for padding before the end marker, which many cameras write.

    Args:
        header_warnings: Warnings from reading the header.
        all_warnings: Warnings from reading the whole file, those about the header included.
        data: The whole file.

    Returns:
        The warning; None if no warning is about the pixels.
    """
    for warning in Counter(all_warnings) - Counter(header_warnings):
        extraneous = _EXTRANEOUS.search(warning)
        end = data.rfind(b"\xff\xd9")
        if extraneous is None or len(set(data[max(0, end - int(extraneous[1])) : end])) > 1:
            return warning
    return None


def read_jfif_resolution(data: bytes) -> Resolution | None:
    """Returns the resolution from the JFIF header, in pixels per inch.

    Args:
        data: The whole file; a JFIF header must be its first segment.

    Returns:
        Horizontal and vertical resolution; None if there is no header, or it gives no unit.
    """
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\0" or len(data) < 18:
        return None
    unit, x, y = struct.unpack(">BHH", data[13:18])
    return resolution(x, y, {1: 1.0, 2: 2.54}.get(unit))


def add_jfif_resolution(data: bytes, dpi: Resolution) -> bytes:
    """Returns a JPEG file with a JFIF header, version 1.02, that gives a resolution.

    Args:
        data: A JPEG file without a JFIF header, as libvips writes it.
        dpi: Horizontal and vertical pixels per inch; rounded to integers from 1 to 65535.
    """
    x, y = (min(65535, max(1, round(each))) for each in dpi)
    header = struct.pack(">H5sHBHHBB", 16, b"JFIF\0", 0x0102, 1, x, y, 0, 0)
    return data[:2] + b"\xff\xe0" + header + data[2:]
