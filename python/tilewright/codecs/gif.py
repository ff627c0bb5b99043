"""Whether a GIF file is all there: decoders show what they have of one that is cut short, and say nothing."""

from __future__ import annotations

# Introduce the blocks of a file (GIF89a specification, appendix A).
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B


def is_cut_short(data: bytes) -> bool:
    """Whether a block of the file has no end. Files that lack no more than the trailer are whole."""
    try:
        at = 13 + _table(data[10])
        while at < len(data) and data[at] != _TRAILER:
            if data[at] == _IMAGE:
                at = _after_blocks(data, at + 11 + _table(data[at + 9]))
            elif data[at] == _EXTENSION:
                at = _after_blocks(data, at + 2)
            elif data[at] == 0:  # padding
                at += 1
            else:
                return True
    except IndexError:
        return True
    return at > len(data)


def _table(flags: int) -> int:
    """Bytes of the colour table that an image's, or the screen's, flags tell of."""
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1
