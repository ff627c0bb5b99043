"""Detection of truncated GIF files, which decoders accept without an error."""

from __future__ import annotations

# First bytes of the blocks of a file (GIF89a specification, appendix A).
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B


def is_truncated(data: bytes) -> bool:
    """Returns whether a block of a GIF file is incomplete; a missing trailer alone is accepted.

    Args:
        data: The whole file.
    """
    try:
        at = 13 + _colour_table_bytes(data[10])
        while at < len(data) and data[at] != _TRAILER:
            if data[at] == _IMAGE:
                at = _after_sub_blocks(data, at + 11 + _colour_table_bytes(data[at + 9]))
            elif data[at] == _EXTENSION:
                at = _after_sub_blocks(data, at + 2)
            elif data[at] == 0:  # padding
                at += 1
            else:
                return True
    except IndexError:
        return True
    return at > len(data)


def _colour_table_bytes(flags: int) -> int:
    """Returns the size of the colour table from the flags of a screen or image descriptor."""
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1
