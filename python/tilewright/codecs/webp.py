"""WEBP support that libvips lacks: grey in lossy files, and whether a file is lossless (RFC 9649)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.picture import Pixels

_FRAME_HEADER = 16  # bytes of ANMF before the chunks of the frame
_MAX_CHUNKS = 1 << 16  # an animation of 1000 frames has 3000


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
    if not np.array_equal(red[0], blue[0]) or not np.array_equal(red, blue) or is_lossless(data):
        return samples
    if (red - green > 1).any():  # unsigned: a green above red wraps to a large number
        return samples
    exact = samples.copy()
    exact[:, :, 1] = red
    return exact


def is_lossless(data: bytes) -> bool:
    """Returns whether a file, or every frame of an animation, is lossless.

    Args:
        data: The whole file.
    """
    kinds = {kind for kind in _image_chunks(data) if kind in (b"VP8 ", b"VP8L")}
    return kinds == {b"VP8L"}


def _image_chunks(data: bytes) -> Iterator[bytes]:
    """Yields the names of the chunks, those inside frames included."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind
        # A frame is entered; its chunks are followed by the next frame.
        at += 8 + (_FRAME_HEADER if kind == b"ANMF" else length + length % 2)
