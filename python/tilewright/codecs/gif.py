"""Structure of GIF files: number of frames, size of the screen, and truncation, which decoders accept.

Blocks follow the GIF89a specification.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from tilewright.errors import DecodeError
from tilewright.limits import MAX_GIF_BLOCKS

# First bytes of the blocks of a file (GIF89a specification, appendix A).
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_PADDING = re.compile(rb"\0*")


class GifStructure(NamedTuple):
    """What the blocks of a GIF file say.

    Attributes:
        width: Width of the logical screen in pixels; may be 0.
        height: Height of the logical screen in pixels; may be 0.
        frames: Number of frames.
        first: Left, top, width and height of the first frame in pixels; None without frames. It may
            exceed the screen.
    """

    width: int
    height: int
    frames: int
    first: tuple[int, int, int, int] | None


def read_structure(data: bytes) -> GifStructure:
    """Reads the structure of a GIF file; nothing is decompressed.

    Args:
        data: The whole file.

    Raises:
        DecodeError: A block is incomplete or unknown, or there are more blocks than
            `tilewright.limits.MAX_GIF_BLOCKS`. A missing trailer alone is accepted.
    """
    frames, blocks, first = 0, 0, None
    try:
        width, height = struct.unpack_from("<HH", data, 6)
        at = 13 + _colour_table_bytes(data[10])
        while at < len(data) and (kind := data[at]) != _TRAILER:
            if kind == _IMAGE:
                frames += 1
                first = first or struct.unpack_from("<4H", data, at + 1)
                at, blocks = _after_sub_blocks(data, at + 11 + _colour_table_bytes(data[at + 9]), blocks)
            elif kind == _EXTENSION:
                at, blocks = _after_sub_blocks(data, at + 2, blocks)
            elif kind == 0:
                at, blocks = _PADDING.match(data, at).end(), blocks + 1  # type: ignore[union-attr]  # always matches
            else:
                raise DecodeError("the GIF file is corrupt or cut short: a block is of unknown kind")
    except (IndexError, struct.error) as error:
        raise DecodeError("the GIF file is corrupt or cut short: a block is incomplete") from error
    if at > len(data):
        raise DecodeError("the GIF file is corrupt or cut short: a block is incomplete")
    return GifStructure(width, height, frames, first)


def _colour_table_bytes(flags: int) -> int:
    """Returns the size of the colour table from the flags of a screen or image descriptor."""
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, at: int, blocks: int) -> tuple[int, int]:
    """Returns the position after a chain of sub-blocks, and the number of blocks up to there."""
    for count in range(blocks + 1, MAX_GIF_BLOCKS + 1):
        length = data[at]
        at += 1 + length
        if not length:
            return at, count
    raise DecodeError(f"the GIF file has more than {MAX_GIF_BLOCKS} blocks; save it again with a common program")
