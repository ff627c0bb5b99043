"""The metadata of a result: adjusted to its size, and to what its format can hold."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from tilewright.codecs.iptc import as_properties
from tilewright.codecs.metadata import scale_exif, text_entries, text_to_exif
from tilewright.codecs.xmp import DC, add_to_xmp, scale_xmp
from tilewright.picture import Picture

if TYPE_CHECKING:
    from tilewright.literals import FileFormat
    from tilewright.picture import Animation, TextEntry

# A segment of a JPEG file, less its length and the prefix of Exif; XMP's prefix is longer.
_MAX_JPG_EXIF = 65_000  # the resolution is added
_MAX_JPG_XMP = 65_502

_TITLE = "Title"  # Exif has no tag for it, XMP has


def with_carried_metadata(picture: Picture, file_format: FileFormat, width: int, height: int) -> Picture:
    """Returns a picture with the metadata that a file of it gets.

    Positions and sizes in pixels are scaled to the size of the file. IPTC becomes XMP in formats other
    than JPG, and PNG's text becomes Exif and XMP in other formats, as far as they have fields for it.

    Args:
        picture: Picture that the file shows, possibly at another size.
        file_format: Format of the file.
        width: Width of the file in pixels.
        height: Height of the file in pixels.
    """
    if picture.exif is picture.xmp is picture.iptc is None and not picture.text:
        return picture
    measured_width, measured_height = picture.measured_at or (picture.width, picture.height)
    scale = width / measured_width, height / measured_height
    exif, xmp, iptc, text = picture.exif, picture.xmp, picture.iptc, picture.text
    exif = None if exif is None else scale_exif(exif, scale)
    xmp = None if xmp is None else scale_xmp(xmp, scale)
    if iptc is not None and file_format != "JPG":
        xmp, iptc = add_to_xmp(xmp, as_properties(iptc)), None
    if text and file_format != "PNG":
        xmp = add_to_xmp(xmp, {(DC, "title"): [entry.text for entry in text if entry.keyword == _TITLE][:1]})
        exif, text = _text_in_exif(exif, text, file_format)[0], ()
    if file_format == "JPG":
        exif = None if exif is not None and len(exif) > _MAX_JPG_EXIF else exif
        xmp = None if xmp is not None and len(xmp) > _MAX_JPG_XMP else xmp
    return replace(picture, exif=exif, xmp=xmp, iptc=iptc, text=text)


def left_out(picture: Picture | Animation, file_format: FileFormat) -> tuple[str, ...]:
    """Returns what the file of a picture contains and a result of it does not.

    XMP that is not wanted is not listed, nor is Exif that nobody would miss.

    Args:
        picture: The source picture.
        file_format: Format of the result.

    Returns:
        Phrases such as ``"the gain map"`` and ``"3 text entries"``.
    """
    phrases = [*picture.left_out.content, *picture.left_out.metadata]
    exif, xmp = (picture.exif, picture.xmp) if isinstance(picture, Picture) else (None, None)
    if picture.text and file_format != "PNG":
        _, lost = _text_in_exif(exif, picture.text, file_format)
        if lost:
            phrases.append(f"{text_entries(len(lost))} that {file_format} has no place for ({_keywords(lost)})")
    if file_format == "JPG":
        for name, data, longest in (("Exif", exif, _MAX_JPG_EXIF), ("XMP", xmp, _MAX_JPG_XMP)):
            if data is not None and len(data) > longest:
                phrases.append(f"{name} data too long for JPG")
    return tuple(phrases)


def _text_in_exif(
    exif: bytes | None, text: tuple[TextEntry, ...], file_format: FileFormat
) -> tuple[bytes | None, tuple[TextEntry, ...]]:
    """Returns Exif data with text, and the entries that have no place; see `text_to_exif`."""
    longest = _MAX_JPG_EXIF if file_format == "JPG" else sys.maxsize
    return text_to_exif(exif, tuple(entry for entry in text if entry.keyword != _TITLE), longest)


def _keywords(entries: tuple[TextEntry, ...]) -> str:
    names = [entry.keyword for entry in entries]
    return ", ".join(names if len(names) <= 3 else [*names[:3], "…"])
