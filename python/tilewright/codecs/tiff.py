"""Decoding of TIFF files with libvips, after a look at their tags.

Tags and their values follow TIFF 6.0 and, for files above 4 GiB, BigTIFF. libvips reports neither
which extra samples are transparency nor why it cannot read a file, so both are found here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.libvips import metadata_blob, vips
from tilewright.codecs.metadata import FileMetadata, filter_metadata, resolution
from tilewright.codecs.samples import SourceInfo, cmyk_to_srgb, picture_from_samples
from tilewright.codecs.watch import watched
from tilewright.errors import DecodeError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from tilewright.limits import InputLimits
    from tilewright.picture import Picture

_SUBFILE_KIND, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 254, 258, 259, 262, 277
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_SUB_DIRECTORIES, _INK_SET, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _DNG_VERSION = 330, 332, 338, 339, 50706

# Description, maker, model, program, time, artist, host, copyright; directories of Exif and GPS.
_DESCRIPTIONS = frozenset((0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298))
_EXIF_DIRECTORIES = (0x8769, 0x8825)

_RGB, _PALETTE, _CMYK, _YCBCR = 2, 3, 5, 6
_COLOURS = {0: 1, 1: 1, _RGB: 3, _PALETTE: 3, _CMYK: 4, _YCBCR: 3}
_OTHER_COLOURS = {4: "a transparency mask", 8: "CIELAB", 9: "CIELAB", 10: "CIELAB", 32844: "LogLuv", 32845: "LogLuv"}
_RAW_COLOURS = (32803, 34892)  # colour filter array, linear raw
_JPEG = (6, 7)

# Compressions that not every build of libvips has.
_RARE_COMPRESSIONS = {34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WEBP", 50002: "JPEG XL"}

_SAMPLE_FORMATS = {1: "unsigned", 2: "signed", 3: "floating-point"}

# Struct format and size of the types whose values are used: BYTE, SHORT, LONG, RATIONAL, LONG8.
_TYPES = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 5: ("II", 8), 16: ("Q", 8)}

# Sizes of the types with more than one byte.
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

# More values of a tag than this are not looked at.
_MAX_VALUES = 16

# Of the largest picture with a use, CMYK with alpha and spot colours.
_MAX_SAMPLES = 16

# A block of 64 samples takes at least two bits. Decoders of JPEG fill in what is missing, so an empty file would
# take as long as a full one.
_MOST_PIXELS_PER_BYTE = 256

# Bytes of samples that a byte of a file can hold, by compression: none, LZW (strings of up to 4096 bytes), Deflate,
# PackBits. Strips may lie in the same place, so that a file of a few bytes could decode to gigabytes.
_MOST_BYTES_PER_BYTE = {1: 1, 5: 4096, 8: 1032, 32946: 1032, 32773: 64}

# libtiff reads all directories of a file to count its pages.
_MAX_DIRECTORIES = 10_000


@dataclass(frozen=True, slots=True)
class _Header:
    """What the tags of a file say.

    Attributes:
        tags: Values of the first picture's tags.
        pages: Number of pages, without previews and masks.
    """

    tags: Mapping[int, tuple[int, ...]]
    pages: int

    def value(self, tag: int, default: int = 0) -> int:
        """Returns the first value of a tag."""
        return (self.tags.get(tag) or (default,))[0]


def decode_tiff(
    data: bytes, *, limits: InputLimits, keep_metadata: bool, stop: threading.Event | None = None
) -> Picture:
    """Decodes the first page of a TIFF file.

    Alpha may be associated (premultiplied) or not. Extra channels that are not alpha are left out,
    and so are further pages; `Picture.left_out` says so.

    Args:
        data: The whole file.
        limits: Limits on pixels, checked before the pixels are decoded.
        keep_metadata: As for `tilewright.codecs.decode.decode`. Of the tags, only those that
            describe the picture count as Exif.
        stop: Event that cancels decoding.

    Raises:
        CancelledError: `stop` was set.
        DecodeError: Samples or colours that are not supported, or a corrupt or truncated file.
        ImageTooLargeError: Over a limit.
    """
    try:
        header = _read_header(data)
    except struct.error as error:
        raise DecodeError("the TIFF file is corrupt or cut short: its directory is incomplete") from error
    _check_supported(data, header)
    try:
        image = vips().Operation.call("tiffload_buffer", data, fail_on="error", access="sequential")
        limits.check_size(image.width, image.height)
        _check_length(len(data), header, image.width * image.height)
        xmp, iptc = (metadata_blob(image, f"{name}-data") for name in ("xmp", "iptc"))
        orientation = image.get("orientation") if image.get_typeof("orientation") else 1
        found = FileMetadata(_exif(data), xmp, iptc)
        metadata = filter_metadata(found, data, keep=keep_metadata, rotated=orientation != 1)
        info = SourceInfo(
            icc=metadata_blob(image, "icc-profile-data"),
            orientation=orientation,
            dpi=_resolution(header),
            metadata=metadata.without(_left_out(image, header)),
            source_format="TIFF",
        )
        image, info = _converted(image, header, info)
        dtype: Any = np.uint16 if image.format == "ushort" else np.uint8
        with watched(image, limits, stop):
            samples = np.frombuffer(image.write_to_memory(), dtype).reshape(image.height, image.width, image.bands)
    except vips().Error as error:  # its text may be about another picture
        raise DecodeError(_failure(header)) from error
    return picture_from_samples(samples, info)


def _check_length(length: int, header: _Header, pixels: int) -> None:
    """Refuses a file that has fewer bytes than its pixels need.

    Raises:
        DecodeError: The file is too short.
    """
    compression = header.value(_COMPRESSION, 1)
    if compression in _JPEG:
        fewest = pixels // _MOST_PIXELS_PER_BYTE
    elif compression in _MOST_BYTES_PER_BYTE:
        bits = header.value(_SAMPLES, 1) * header.value(_BITS, 1)
        fewest = pixels * bits // (8 * _MOST_BYTES_PER_BYTE[compression])
    else:
        return
    if length < fewest:
        raise DecodeError(f"the TIFF file is cut short: its pixels need at least {fewest} bytes, the file has {length}")


def _left_out(image: Any, header: _Header) -> list[str]:
    """Returns what the file contains besides the first page's colour and alpha, see `LeftOut`."""
    phrases = []
    if header.pages > 1:
        phrases.append(f"{header.pages - 1} further page{'s' if header.pages > 2 else ''}")
    extra = image.bands - _colours(image, header)
    if extra - (_alpha_band(header, extra) is not None) > 0:
        phrases.append("extra channels that are not transparency")
    return phrases


def _failure(header: _Header) -> str:
    """Returns why a file could not be decoded."""
    if (name := _RARE_COMPRESSIONS.get(header.value(_COMPRESSION))) is not None:
        return f"the TIFF file is compressed with {name}, which cannot be read here; save it with LZW or Deflate"
    return "the TIFF file is corrupt or cut short"


def _check_supported(data: bytes, header: _Header) -> None:
    """Refuses what libvips would decode wrongly, or not at all.

    Raises:
        DecodeError: Samples or colours that are not supported.
    """
    photometric, compression = header.value(_PHOTOMETRIC, 1), header.value(_COMPRESSION, 1)
    # Raw files of cameras are TIFF files that begin with a preview.
    preview_first = header.value(_SUBFILE_KIND) & 1 and _SUB_DIRECTORIES in header.tags
    if data[8:10] == b"CR" or _DNG_VERSION in header.tags or photometric in _RAW_COLOURS or preview_first:
        raise DecodeError("the file is a camera's raw picture; develop it first, and send a TIFF or JPG file")
    bits, sample_format = header.value(_BITS, 1), header.value(_SAMPLE_FORMAT, 1)
    if sample_format != 1 or bits not in (1, 2, 4, 8, 16):
        kind = _SAMPLE_FORMATS.get(sample_format, "unusual")
        raise DecodeError(
            f"the TIFF file has {kind} samples of {bits} bits; convert it to 8 or 16 bits per sample, unsigned"
        )
    if header.value(_SAMPLES, 1) > _MAX_SAMPLES:
        raise DecodeError(f"the TIFF file has {header.value(_SAMPLES)} channels, more than {_MAX_SAMPLES}")
    if photometric not in _COLOURS or (photometric == _CMYK and header.value(_INK_SET, 1) != 1):
        name = _OTHER_COLOURS.get(photometric, f"of kind {photometric}")
        raise DecodeError(f"the colours of the TIFF file are {name}, which is not supported; convert it to RGB")
    if photometric == _YCBCR and compression not in _JPEG:
        raise DecodeError("the TIFF file has YCbCr colours without JPEG compression; convert it to RGB")


def _exif(data: bytes) -> bytes | None:
    """Returns the tags that describe the picture as Exif data; None if there are none, or they cannot be parsed.

    The other tags of a TIFF file say how its pixels are stored.
    """
    from PIL import Image

    try:
        tags, kept = Image.Exif(), Image.Exif()
        tags.load(data)
        for tag in _DESCRIPTIONS & tags.keys():
            kept[tag] = tags[tag]
        for directory in _EXIF_DIRECTORIES:
            if directory in tags:
                kept.get_ifd(directory).update(tags.get_ifd(directory))
        return kept.tobytes()
    except Exception:  # Pillow raises many types of exception for malformed data
        return None


def _converted(image: Any, header: _Header, info: SourceInfo) -> tuple[Any, SourceInfo]:
    """Returns an opened image as grey or RGB, with alpha if the file has it, and its new info."""
    colours = _colours(image, header)
    if image.format not in ("uchar", "ushort") or image.bands < colours:
        raise DecodeError("the TIFF file is corrupt: its tags contradict each other")
    alpha = _alpha_band(header, image.bands - colours)
    opacity = None if alpha is None else image[colours + alpha]
    if colours == 4:
        inks = _in_8_bits(image.extract_band(0, n=4)).copy(interpretation="cmyk")
        colour, info = cmyk_to_srgb(inks, info.icc), replace(info, icc=None)
        opacity = None if opacity is None else _in_8_bits(opacity)
    else:
        colour = image.extract_band(0, n=colours)
    return colour if opacity is None else colour.bandjoin(opacity), info


def _colours(image: Any, header: _Header) -> int:
    """Returns the number of colour channels."""
    photometric = header.value(_PHOTOMETRIC, 1)
    if photometric == _PALETTE and image.bands <= 2:  # a palette of greys
        return 1
    return _COLOURS[photometric]


def _in_8_bits(image: Any) -> Any:
    return image if image.format == "uchar" else (image / 257).rint().cast("uchar")


def _alpha_band(header: _Header, extra: int) -> int | None:
    """Returns which of the extra samples is alpha: 1 is associated alpha, 2 unassociated.

    Old programs write alpha without the tag.
    """
    if extra <= 0:
        return None
    kinds = header.tags.get(_EXTRA_SAMPLES)
    if kinds is None:
        return 0 if extra == 1 else None
    return next((index for index, kind in enumerate(kinds[:extra]) if kind in (1, 2)), None)


def _resolution(header: _Header) -> tuple[float, float] | None:
    """Returns the resolution in pixels per inch; units are 1 (none), 2 (inch, the default) and 3 (cm)."""
    x, y = header.tags.get(_X_RESOLUTION, ()), header.tags.get(_Y_RESOLUTION, ())
    if len(x) != 2 or len(y) != 2 or not x[1] or not y[1]:
        return None
    return resolution(x[0] / x[1], y[0] / y[1], {2: 1.0, 3: 2.54}.get(header.value(_RESOLUTION_UNIT, 2)))


def _read_header(data: bytes) -> _Header:
    """Reads the tags of the first directory, and counts the others.

    Raises:
        struct.error: The first directory is incomplete.
        DecodeError: There are too many directories.
    """
    reader = _Reader.of(data)
    at = reader.first_directory()
    tags, following = reader.directory(at)
    reader.check_values(at)
    pages, seen = 1, {at}
    while following and following not in seen:
        seen.add(following)
        if len(seen) > _MAX_DIRECTORIES:
            raise DecodeError(f"the TIFF file has more than {_MAX_DIRECTORIES} pages; send one of them")
        try:
            # Tags are in ascending order, so the kind is among the first.
            further, following = reader.directory(following, most=2)
        except struct.error:
            break
        # Bit 0 is a smaller version of another picture, bit 2 its mask.
        pages += not (further.get(_SUBFILE_KIND) or (0,))[0] & 0b101
    return _Header(tags, pages)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads directories of a TIFF file.

    Attributes:
        data: The whole file.
        order: Byte order as in `struct`.
        big: Whether the file is a BigTIFF, with numbers of 64 bits.
    """

    data: bytes
    order: str
    big: bool

    @classmethod
    def of(cls, data: bytes) -> _Reader:
        order = "<" if data[:2] == b"II" else ">"
        return cls(data, order, struct.unpack_from(order + "H", data, 2)[0] == 43)

    def first_directory(self) -> int:
        return self._numbers("Q", 8)[0] if self.big else self._numbers("I", 4)[0]

    def directory(self, at: int, *, most: int = 65_535) -> tuple[dict[int, tuple[int, ...]], int]:
        """Returns the tags of a directory, and the offset of the next one.

        Args:
            at: Offset of the directory.
            most: Number of tags to look at.
        """
        (count,) = self._numbers("Q" if self.big else "H", at)
        at += 8 if self.big else 2
        size = 20 if self.big else 12
        tags = {}
        for entry in range(at, at + size * min(count, most), size):
            tag, kind, values = self._numbers("HHQ" if self.big else "HHI", entry)
            tags[tag] = self._values(kind, values, entry + (12 if self.big else 8))
        (following,) = self._numbers("Q" if self.big else "I", at + size * count)
        return tags, following

    def check_values(self, at: int) -> None:
        """Refuses a directory whose values overlap: libtiff copies the values of all tags.

        Args:
            at: Offset of the directory.

        Raises:
            DecodeError: The values have more bytes than the file.
        """
        (count,) = self._numbers("Q" if self.big else "H", at)
        at, size, inline = (at + 8, 20, 8) if self.big else (at + 2, 12, 4)
        total = 0
        for entry in range(at, at + size * count, size):
            _, kind, values = self._numbers("HHQ" if self.big else "HHI", entry)
            length = values * _SIZES.get(kind, 1)
            total += length if inline < length <= len(self.data) else 0
        if total > len(self.data):
            raise DecodeError("the TIFF file is corrupt: the values of its tags overlap")

    def _values(self, kind: int, count: int, at: int) -> tuple[int, ...]:
        """Returns the values of a tag; none if they are of another type or lie outside the file."""
        letters, size = _TYPES.get(kind, ("", 0))
        if count * size > (8 if self.big else 4):
            (at,) = self._numbers("Q" if self.big else "I", at)
        try:
            return self._numbers(letters * min(count, _MAX_VALUES), at)
        except struct.error:
            return ()

    def _numbers(self, letters: str, at: int) -> tuple[int, ...]:
        if at > len(self.data):
            raise struct.error("outside the file")
        return struct.unpack_from(self.order + letters, self.data, at)
