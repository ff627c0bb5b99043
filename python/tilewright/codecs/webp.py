"""WEBP support that libvips lacks: grey in lossy files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tilewright.picture import Pixels


def with_exact_grey(samples: Pixels, data: bytes) -> Pixels:
    """Returns the samples of a still file with equal channels, if the file is lossy and has no colour.

    Lossy files have no greyscale. Grey is stored with both colour differences 0, and the decoder's
    rounding (RFC 6386 leaves it open; libwebp's YUV to RGB tables) then gives red and blue the same
    value, and green the same or one less. No other colours give that throughout a picture.

    Args:
        samples: uint8 ``[H, W, C]``, C = 3 or 4, as libvips decodes the file.
        data: The whole file.

    Returns:
        `samples` itself if nothing has to change, else a copy.
    """
    red, green, blue = (samples[:, :, channel] for channel in range(3))
    # The first row tells most pictures apart at no cost.
    if not np.array_equal(red[0], blue[0]) or not np.array_equal(red, blue) or not _is_lossy(data):
        return samples
    if (red - green > 1).any():  # unsigned: a green above red wraps to a large number
        return samples
    exact = samples.copy()
    exact[:, :, 1] = red
    return exact


def _is_lossy(data: bytes) -> bool:
    """Returns whether the first image chunk of a file is lossy (WebP container specification)."""
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind in (b"VP8 ", b"VP8L"):
            return bool(kind == b"VP8 ")
        at += 8 + length + length % 2
    return False
