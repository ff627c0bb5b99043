"""What a result of `tilewright upscale` keeps of its picture, and what it leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.codecs.carried import left_out

if TYPE_CHECKING:
    from tilewright.literals import FileFormat
    from tilewright.picture import Animation, Picture


def left_out_line(picture: Picture | Animation, file_format: FileFormat) -> str | None:
    """Returns one line about what the picture's file contains and the result does not; None if nothing."""
    phrases = left_out(picture, file_format)
    if not phrases:
        return None
    *first, last = phrases
    listed = f"{', '.join(first)} and {last}" if first else last
    hint = " (--keep-metadata keeps Exif, text and IPTC)" if picture.left_out.metadata else ""
    return f"leaves out {listed}{hint}"
