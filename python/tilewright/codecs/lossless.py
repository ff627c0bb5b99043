"""Whether a WEBP file is lossless, by its container (RFC 9649)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAME_HEADER = 16  # bytes of ANMF before the chunks of the frame
_MAX_CHUNKS = 1 << 16  # an animation of 1000 frames has 3000


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
