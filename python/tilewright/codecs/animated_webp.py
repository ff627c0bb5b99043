"""Number of frames in a WEBP file, counted without the decoder.

The decoder needs time that grows with the square of the number of frames. Layouts follow the WebP
container specification.
"""

from __future__ import annotations

import struct

from tilewright.errors import DecodeError
from tilewright.limits import MAX_CHUNKS

_ANIMATION_FLAG = 0x02


def count_frames(data: bytes) -> int:
    """Returns the number of frames; 1 for a still picture.

    Args:
        data: The whole file. It may be corrupt or cut short, which the decoder reports.

    Raises:
        DecodeError: The file has more chunks than `tilewright.limits.MAX_CHUNKS`.
    """
    if data[12:16] != b"VP8X" or len(data) < 21:
        return 1
    frames, at, last = 0, 12, len(data) - 8
    header = struct.Struct("<4sI").unpack_from
    for _ in range(MAX_CHUNKS):
        if at > last:
            return frames if data[20] & _ANIMATION_FLAG else 1
        kind, length = header(data, at)
        frames += kind == b"ANMF"
        at += 8 + length + length % 2
    raise DecodeError(f"the WEBP file has more than {MAX_CHUNKS} chunks; save it again with a common program")
