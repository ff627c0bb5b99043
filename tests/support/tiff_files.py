"""TIFF files of kinds that Pillow does not write."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

# Tags that every written file has, besides those of its picture: storage of the pixels, and the profile.
STORAGE_TAGS = {256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 338, 339, 34675}


def tiff_file(
    samples: np.ndarray, photometric: int, tags: Mapping[int, Any] | None = None, *, order: str = "<", big: bool = False
) -> bytes:
    """Returns an uncompressed file of one strip.

    Args:
        samples: ``[H, W, C]`` of any dtype.
        photometric: Value of the tag 262, such as 1 (grey), 2 (RGB) or 5 (CMYK).
        tags: Further tags, or other values for those of the samples: integers, tuples of integers
            (SHORT), bytes, or fractions as lists ``[numerator, denominator]``.
        order: ``"<"`` or ``">"``.
        big: Whether to write a BigTIFF.
    """
    return tiff_pages([(samples, {262: photometric, **(tags or {})})], order=order, big=big)


def tiff_pages(pages: Sequence[tuple[np.ndarray, Mapping[int, Any]]], *, order: str = "<", big: bool = False) -> bytes:
    """Returns an uncompressed file of several pages, each with its samples and tags as in `tiff_file`."""
    number = "Q" if big else "I"
    mark = b"II" if order == "<" else b"MM"
    file = bytearray(mark + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)))
    link = len(file) - struct.calcsize(number)
    for samples, tags in pages:
        strip = len(file)
        file += samples.astype(samples.dtype.newbyteorder(order)).tobytes()
        file += bytes(len(file) % 2)
        struct.pack_into(order + number, file, link, len(file))
        link = _append_directory(file, samples, strip, tags, order, big=big)
    return bytes(file)


def _append_directory(
    file: bytearray, samples: np.ndarray, strip: int, tags: Mapping[int, Any], order: str, *, big: bool
) -> int:
    """Appends a directory, and returns the position of its link to the next one."""
    height, width, channels = samples.shape
    number, size, inline = ("Q", 20, 8) if big else ("I", 12, 4)
    kinds = {"u": 1, "i": 2, "f": 3}
    values = {
        256: width,
        257: height,
        258: (8 * samples.itemsize,) * channels,
        259: 1,
        273: strip,
        277: channels,
        278: height,
        279: samples.nbytes,
        339: (kinds[samples.dtype.kind],) * channels,
        **tags,
    }
    at = len(file)
    entries = {tag: value for tag, value in sorted(values.items()) if value is not None}
    file += struct.pack(order + ("Q" if big else "H"), len(entries)) + bytes(size * len(entries))
    link = len(file)
    file += bytes(8 if big else 4)
    for index, (tag, value) in enumerate(entries.items()):
        kind, count, body = _encoded(value, order)
        entry = at + (8 if big else 2) + size * index
        struct.pack_into(order + "HH" + number, file, entry, tag, kind, count)
        if len(body) <= inline:
            file[entry + size - inline : entry + size] = body.ljust(inline, b"\0")
        else:
            struct.pack_into(order + number, file, entry + size - inline, len(file))
            file += body + bytes(len(body) % 2)
    return link


def _encoded(value: Any, order: str) -> tuple[int, int, bytes]:
    """Returns type, count and bytes of a tag's value."""
    if isinstance(value, bytes):
        return 7, len(value), value
    if isinstance(value, list):
        return 5, 1, struct.pack(order + "II", *value)
    if isinstance(value, tuple):
        return 3, len(value), struct.pack(f"{order}{len(value)}H", *value)
    return 4, 1, struct.pack(order + "I", value)
