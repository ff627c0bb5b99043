"""Metadata other than the colour space: resolution, Exif, XMP, IPTC and text."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from tilewright.codecs import iptc, xmp
from tilewright.codecs.png_text import PngText, is_usual
from tilewright.picture import NOTHING_LEFT_OUT, LeftOut, TextEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

Resolution = tuple[float, float]

# Pixels per inch: from 2.5 m to 2.5 nm per pixel. All formats can store these.
_LOWEST_RESOLUTION, _HIGHEST_RESOLUTION = 1e-2, 1e7

# Tags of Exif 2.32 and TIFF 6 that are only true of the source file: size, orientation, resolution,
# storage of the pixels, and tags that hold pictures, repeat other metadata, or announce a video.
_STALE = frozenset(
    (
        0x00FE, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0111, 0x0112, 0x0115, 0x0116, 0x0117, 0x011A, 0x011B, 0x011C,
        0x0128, 0x014A, 0x0201, 0x0202, 0x0211, 0x0212, 0x0213, 0x02BC, 0x83BB, 0x8649, 0x8773, 0x8897,
    )
)  # fmt: skip
# Tags of the Exif IFD: storage of the pixels, width, height and the maker note. The maker note has
# an unknown layout, often contains a preview, and its offsets become invalid when it is moved.
_STALE_EXIF = frozenset((0x8897, 0x9101, 0x9102, 0xA002, 0xA003, 0x927C))
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _EXIF_IFD = 0x011A, 0x011B, 0x0128, 0x8769
_FIRST_IFD, _GPS_IFD = 0, 0x8825
# Bytes of an element by its type, if more than one. Content of up to 4 bytes is in the entry itself.
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_CONTENT_BYTES = 256  # enough to tell whether there is any text
# A resolution in Exif: the largest, reached by enlarging a picture several times, and the largest
# denominator.
_MOST_IN_EXIF, _FINEST_IN_EXIF = 10**8, 10_000
# Tags of the first IFD, the Exif IFD and the GPS IFD that nobody misses: the program, versions, colour
# (which the profile gives), print settings, padding.
_TECHNICAL = frozenset((0x012D, 0x0131, 0x013E, 0x013F, 0xC4A5, 0xEA1C, 0xEA1D))
_TECHNICAL_EXIF = frozenset((0x9000, 0xA000, 0xA001, 0xA005, 0xA500, 0xEA1C, 0xEA1D))
_TECHNICAL_GPS = frozenset((0,))
_MAX_TAGS = 1000  # in a directory; Exif defines about 300
# Tags of the Exif IFD in pixels: SubjectArea and SubjectLocation are positions and sizes, the others
# pixels per unit of length on the sensor, horizontal and vertical.
_POSITIONS = (0x9214, 0xA214)
_FOCAL_PLANE = {0xA20E: 0, 0xA20F: 1}
_MAX_SHORT, _MAX_FOCAL_PLANE = 2**16 - 1, 1e6

ORIENTATION = 0x0112
"""Exif tag of the orientation, 1 to 8."""

_USER_COMMENT = 0x9286
_UNICODE = b"UNICODE\0"  # precedes text in UTF-16
_ENTRY_BYTES = 32  # of a tag without its value, with its share of the directory
# Exif tags of the first IFD for the keywords that the PNG specification defines.
_KEYWORD_TAGS = {"Author": 0x013B, "Copyright": 0x8298, "Description": 0x010E, "Software": 0x0131}
# Keywords for which the comment is used, best first. Image generators write "parameters".
_COMMENT_KEYWORDS = ("parameters", "Comment")

# What JPEG files contain besides the picture, by bytes that only its headers have.
_MARKERS = {
    b"urn:iso:std:iso:ts:21496:-1\0": "the gain map",
    b"urn:com:apple:photo:2020:aux:hdrgainmap": "the gain map",
    b"http://ns.apple.com/HDRGainMap/1.0/": "the gain map",
    b"MotionPhoto_Data": "the motion video",
}
_MOTION = "the motion video"
_VIDEO = b"ftyp"  # the first box of every MP4 file


class FileMetadata(NamedTuple):
    """Metadata as a decoder reports it. Anything but bytes counts as none.

    Attributes:
        exif: Exif data as TIFF, with or without the 6-byte prefix of JPEG files.
        xmp: XMP packet.
        iptc: IPTC metadata, see `tilewright.codecs.iptc.filter_iptc`.
        text: Text of a PNG file.
    """

    exif: object = None
    xmp: object = None
    iptc: object = None
    text: PngText = PngText()


class Metadata(NamedTuple):
    """Metadata that can be carried to another file. For the attributes, see `Picture`."""

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    text: tuple[TextEntry, ...] = ()
    left_out: LeftOut = NOTHING_LEFT_OUT

    def without(self, phrases: list[str]) -> Metadata:
        """Returns the same metadata of a file whose other content is left out too.

        Args:
            phrases: What is never carried to a result, see `LeftOut`.
        """
        content = (*phrases, *self.left_out.content)
        return self._replace(left_out=self.left_out._replace(content=content))


NO_METADATA = Metadata()


def filter_metadata(found: FileMetadata, data: bytes, *, keep: bool, rotated: bool) -> Metadata:
    """Returns the metadata without entries that are only true of the source file.

    Args:
        found: Metadata as the decoder reports it.
        data: The whole file, in which images and videos besides the picture are looked for.
        keep: Whether metadata is wanted at all.
        rotated: Whether the pixels have been rotated or mirrored, so that positions become false.
    """
    packet = found.xmp if isinstance(found.xmp, bytes) and found.xmp.strip(b"\0 \t\r\n") else b""
    filtered_xmp = xmp.filter_xmp(packet, rotated=rotated) if keep else xmp.FilteredXmp(None, xmp.promises(packet))
    filtered_iptc = iptc.filter_iptc(found.iptc) if isinstance(found.iptc, bytes) else None
    content = {phrase for phrase in filtered_xmp.promised if phrase != _MOTION or _VIDEO in data}
    content |= {phrase for marker, phrase in _MARKERS.items() if data.startswith(b"\xff\xd8") and marker in data}
    left_out = sorted(content)
    exif = found.exif if isinstance(found.exif, bytes) else b""
    if not keep:
        count = found.text.skipped + sum(not is_usual(entry) for entry in found.text.entries)
        metadata = [text_entries(count)] * (count > 0)
        metadata += ["the Exif data"] * _would_be_missed(exif)
        metadata += ["the IPTC data"] * (filtered_iptc is not None)
        return Metadata(left_out=LeftOut(tuple(left_out), tuple(metadata)))
    if packet and filtered_xmp.packet is None:
        left_out.append("an XMP packet that cannot be read")
    if found.text.skipped:
        left_out.append(f"{text_entries(found.text.skipped)} (damaged or over 4 MiB)")
    return Metadata(
        exif=filter_exif(exif, rotated=rotated) if exif else None,
        xmp=filtered_xmp.packet,
        iptc=filtered_iptc,
        text=found.text.entries,
        left_out=LeftOut(tuple(left_out)),
    )


def text_entries(count: int) -> str:
    """Returns a number of text entries in words."""
    return f"{count} text {'entry' if count == 1 else 'entries'}"


def filter_exif(exif: bytes, *, rotated: bool = False) -> bytes | None:
    """Returns Exif data without tags that are only true of the source file.

    Args:
        exif: Exif data as TIFF, with or without the 6-byte prefix of JPEG files.
        rotated: Whether positions in the picture are removed too.

    Returns:
        Exif data as TIFF without the prefix; None if it cannot be parsed or no tags remain.
    """
    try:
        tags = parse_exif(exif)
        for tag in _STALE & tags.keys():
            del tags[tag]
        if _EXIF_IFD in tags:
            exif_ifd = tags.get_ifd(_EXIF_IFD)
            for tag in _STALE_EXIF.union(_POSITIONS if rotated else ()) & exif_ifd.keys():
                del exif_ifd[tag]
        # Pillow drops the second directory, which describes the thumbnail.
        return _exif_bytes(tags) if _has_tags(tags) else None
    except Exception:  # Pillow raises many types of exception for malformed data
        return None


def scale_exif(exif: bytes, scale: tuple[float, float]) -> bytes | None:
    """Multiplies positions and resolutions in pixels by the factors of an enlargement.

    Args:
        exif: Exif data from `filter_exif`.
        scale: Horizontal and vertical factor.

    Returns:
        Exif data as TIFF without prefix; None if it cannot be parsed.
    """
    try:
        tags = parse_exif(exif)
        exif_ifd = tags.get_ifd(_EXIF_IFD) if _EXIF_IFD in tags else {}
        changed = exif_ifd.keys() & {*_POSITIONS, *_FOCAL_PLANE}
        if scale == (1, 1) or not changed:
            return exif
        for tag in changed:
            if (value := _scaled(tag, exif_ifd.pop(tag), scale)) is not None:
                exif_ifd[tag] = value
        return _exif_bytes(tags)
    except Exception:  # Pillow raises many types of exception for malformed data
        return None


def text_to_exif(
    exif: bytes | None, text: tuple[TextEntry, ...], longest: int
) -> tuple[bytes | None, tuple[TextEntry, ...]]:
    """Adds the text of a PNG file to Exif data, for formats without text.

    The generation parameters of image generators become the comment, where AUTOMATIC1111 and others
    look for them in JPG and WEBP files. Author, copyright, description and software have tags of
    their own. A tag that exists is kept.

    Args:
        exif: Exif data from `filter_exif`; None if there is none.
        text: The text.
        longest: Bytes that the format can hold. Entries for which there is no room are left out.

    Returns:
        Exif data as TIFF without prefix, and the entries that are left out.
    """
    by_keyword = {entry.keyword: entry for entry in reversed(text)}
    tags = parse_exif(exif) if exif is not None else _new_exif()
    exif_ifd = tags.get_ifd(_EXIF_IFD)
    comment = next((by_keyword[keyword] for keyword in _COMMENT_KEYWORDS if keyword in by_keyword), None)
    candidates = [(exif_ifd, _USER_COMMENT, comment)]
    candidates += [(tags, tag, by_keyword.get(keyword)) for keyword, tag in _KEYWORD_TAGS.items()]
    room, added = longest - len(exif or b""), set()
    for directory, tag, entry in candidates:
        if entry is None or tag in directory:
            continue
        is_comment = tag == _USER_COMMENT
        value = _UNICODE + entry.text.encode("utf-16-be", "replace") if is_comment else entry.text.encode()
        if len(value) + _ENTRY_BYTES <= room:
            directory[tag] = value
            room -= len(value) + _ENTRY_BYTES
            added.add(entry)
    return (_exif_bytes(tags) if added else exif), tuple(entry for entry in text if entry not in added)


def add_resolution(exif: bytes | None, dpi: Resolution) -> bytes:
    """Returns Exif data that gives a resolution.

    Args:
        exif: Exif data from `filter_exif`, which has none; None for no other tags.
        dpi: Horizontal and vertical pixels per inch.
    """
    tags = parse_exif(exif) if exif is not None else _new_exif()
    tags[_X_RESOLUTION], tags[_Y_RESOLUTION] = (
        Fraction(min(each, _MOST_IN_EXIF)).limit_denominator(_FINEST_IN_EXIF) for each in dpi
    )
    tags[_RESOLUTION_UNIT] = 2  # inch
    return _exif_bytes(tags)


def parse_exif(exif: bytes) -> Any:
    """Returns the tags as a `PIL.Image.Exif`. Raises exceptions of many types for malformed data."""
    for _ in _tiff_entries(exif.removeprefix(b"Exif\0\0")):
        pass  # raises for more tags than files have; Pillow would warn of each that it cannot use
    tags = _new_exif()
    tags.load(exif)
    return tags


def exif_resolution(exif: bytes) -> Resolution | None:
    """Returns the resolution in pixels per inch; None if it is absent, invalid or has no unit."""
    try:
        tags = parse_exif(exif)
        x, y = float(tags[_X_RESOLUTION]), float(tags[_Y_RESOLUTION])
        return resolution(x, y, {2: 1.0, 3: 2.54}.get(tags.get(_RESOLUTION_UNIT, 2)))
    except Exception:  # Pillow raises many types of exception for malformed data
        return None


def exif_orientation(exif: bytes) -> int:
    """Returns the orientation, 1 to 8; 1 if it is absent or invalid."""
    try:
        orientation = int(parse_exif(exif).get(ORIENTATION, 1))
    except Exception:  # Pillow raises many types of exception for malformed data
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def resolution(x: float, y: float, units_per_inch: float | None) -> Resolution | None:
    """Converts pixels per unit to pixels per inch.

    Args:
        x: Horizontal pixels per unit.
        y: Vertical pixels per unit.
        units_per_inch: Units per inch; None if the values are a ratio without a unit.

    Returns:
        Horizontal and vertical pixels per inch; None if there is no unit, or a value is not from
        0.01 to 10⁷.
    """
    if units_per_inch is None:
        return None
    dpi = x * units_per_inch, y * units_per_inch
    return dpi if all(_LOWEST_RESOLUTION <= each <= _HIGHEST_RESOLUTION for each in dpi) else None


def _scaled(tag: int, value: Any, scale: tuple[float, float]) -> Any:
    """Returns the value of a tag at another size; None if it is invalid, or does not fit its type."""
    from PIL.TiffImagePlugin import IFDRational

    try:
        if tag in _FOCAL_PLANE:
            resolution = float(value) * scale[_FOCAL_PLANE[tag]]
            return IFDRational(round(resolution * 1000), 1000) if 0 < resolution < _MAX_FOCAL_PLANE else None
        # x and y, then nothing, a diameter, or width and height
        area = tuple(round(each * scale[axis % 2]) for axis, each in enumerate(value))
    except (TypeError, ValueError, ArithmeticError):
        return None
    return area if 2 <= len(area) <= 4 and min(area) >= 0 and max(area) <= _MAX_SHORT else None


def _would_be_missed(exif: bytes) -> bool:
    """Returns whether Exif data tells a person anything that results could keep, such as camera, date or author.

    Args:
        exif: As for `filter_exif`. Pillow does not read it: it would warn of damage that does not matter.
    """
    ignored = {
        _FIRST_IFD: _STALE | _TECHNICAL | {_EXIF_IFD, _GPS_IFD},
        _EXIF_IFD: _STALE_EXIF | _TECHNICAL_EXIF,
        _GPS_IFD: _TECHNICAL_GPS,
    }
    try:
        return any(
            tag not in ignored[directory] and content.strip(b"\0 ")
            for directory, tag, content in _tiff_entries(exif.removeprefix(b"Exif\0\0"))
        )
    except (struct.error, ValueError):
        return False


def _has_tags(tags: Any) -> bool:
    """Returns whether there is any tag besides those that point to empty directories."""
    directories = {_EXIF_IFD, _GPS_IFD} & tags.keys()
    return len(tags) > len(directories) or any(tags.get_ifd(each) for each in directories)


def _new_exif() -> Any:
    from PIL import Image

    return Image.Exif()


def _tiff_entries(tiff: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields directory, tag and the beginning of the content of each entry.

    Raises:
        ValueError: More tags than files have.
        struct.error: A directory is missing.
    """
    order = "<" if tiff[:2] == b"II" else ">"
    directories = [(_FIRST_IFD, struct.unpack_from(f"{order}I", tiff, 4)[0])]
    for directory, at in directories:
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        if count > _MAX_TAGS or len(directories) > _MAX_TAGS:
            raise ValueError("too many Exif tags")
        for entry in range(at + 2, min(at + 2 + 12 * count, len(tiff) - 11), 12):
            tag, kind, length, value = struct.unpack_from(f"{order}HHII", tiff, entry)
            if tag in (_EXIF_IFD, _GPS_IFD) and directory == _FIRST_IFD:
                directories.append((tag, value))
            size = length * _TYPE_BYTES.get(kind, 1)
            start = entry + 8 if size <= 4 else value
            yield directory, tag, tiff[start : start + min(size, _CONTENT_BYTES)]


def _exif_bytes(tags: Any) -> bytes:
    data: bytes = tags.tobytes()
    return data.removeprefix(b"Exif\0\0")
