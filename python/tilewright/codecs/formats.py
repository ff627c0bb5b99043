"""Formats: names of those that are read, and names, limits and encoder options of those written."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.errors import EncodeError
from tilewright.literals import FORMATS, Compression, FileFormat
from tilewright.picture import Animation, Picture

if TYPE_CHECKING:
    import os

INPUT_SUFFIXES = frozenset(
    (
        ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif",
        ".bmp",
    )
)  # fmt: skip
"""Endings of the names of picture files, in lower case."""

_EXTENSIONS: dict[FileFormat, str] = {"PNG": "png", "JPG": "jpg", "WEBP": "webp", "TIFF": "tif"}
_MEDIA_TYPES: dict[FileFormat, str] = {
    "PNG": "image/png", "JPG": "image/jpeg", "WEBP": "image/webp", "TIFF": "image/tiff",
}  # fmt: skip
_FORMAT_OF_SUFFIX: dict[str, FileFormat] = {
    ".png": "PNG", ".jpg": "JPG", ".jpeg": "JPG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip

# Longest side in pixels that the encoders write. PNG: 2³¹ - 1 by specification; libvips reads at
# most 10⁸. JPG: libjpeg stops at 65500, although the header could hold 65535. WEBP: 2¹⁴ - 1. TIFF:
# what libvips holds.
_LONGEST_SIDE: dict[FileFormat, int] = {"PNG": 2**31 - 1, "JPG": 65_500, "WEBP": 16_383, "TIFF": 10**8}

_ANIMATED: tuple[FileFormat, ...] = ("PNG", "WEBP")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """Encoder options. Each applies to one or two formats and is ignored for the others.

    Attributes:
        quality: JPG and lossy WEBP: 1 (smallest file) to 100 (best quality). JPG stores colour at
            full resolution (4:4:4) from 90 up.
        compression: PNG: effort spent on a smaller file, see `tilewright.codecs.png.PngWriter`.
        progressive: JPG: whether the file is progressive, so that it renders from coarse to fine
            while it loads.
        lossless: WEBP: whether every pixel is kept exactly; `quality` is then ignored.
        threads: PNG: threads that deflate strips, at least 1. The file does not depend on them.
    """

    quality: int = 95
    compression: Compression = "fast"
    progressive: bool = False
    lossless: bool = False
    threads: int = 2


DEFAULT_OPTIONS = EncodeOptions()


def extension(file_format: FileFormat) -> str:
    """Returns the file name extension without a dot: ``"png"``, ``"jpg"``, ``"webp"`` or ``"tif"``."""
    return _EXTENSIONS[file_format]


def format_of_name(path: str | os.PathLike[str]) -> FileFormat | None:
    """Returns the format that the extension of a file name stands for; None if it is none of the above."""
    return _FORMAT_OF_SUFFIX.get(Path(path).suffix.lower())


def media_type(file_format: FileFormat) -> str:
    """Returns the media type, such as ``"image/jpeg"``."""
    return _MEDIA_TYPES[file_format]


def data_uri(data: bytes, file_format: FileFormat) -> str:
    """Returns a file as a data URI (RFC 2397) in base64."""
    return f"data:{media_type(file_format)};base64,{base64.b64encode(data).decode('ascii')}"


def check_encodable(picture: Picture | Animation, width: int, height: int, file_format: FileFormat) -> None:
    """Checks that a format can hold a result, so that this is known before any work is done.

    Args:
        picture: Source picture; its colour space and whether it is animated are checked.
        width: Width of the result in pixels.
        height: Height of the result in pixels.
        file_format: Format of the result.

    Raises:
        EncodeError: The result is too large for the format, has a colour space that the format
            cannot store, or is an animation and the format holds still pictures only.
            ``allowed_values`` lists the formats that would work.
    """
    check_size(width, height, file_format)
    _check_colour_space(picture, file_format)
    if isinstance(picture, Animation):
        check_animation(picture, file_format)


def check_animation(animation: Animation, file_format: FileFormat) -> None:
    """Checks that a format can hold an animation.

    Raises:
        EncodeError: The format holds still pictures only.
    """
    if file_format not in _ANIMATED:
        raise EncodeError(
            f"the picture is an animation of {animation.count} frames, and outputFormat {file_format} holds "
            "one picture only: choose PNG or WEBP, or send one frame as a still picture",
            parameter="outputFormat",
            allowed_values=_ANIMATED,
        )


def check_size(width: int, height: int, file_format: FileFormat) -> None:
    """Checks that a format can hold a picture of a size in pixels.

    Raises:
        EncodeError: The picture is too large for the format.
    """
    longest = max(width, height)
    if longest > _LONGEST_SIDE[file_format]:
        allowed = [name for name in FORMATS if longest <= _LONGEST_SIDE[name]]
        advice = f"choose {' or '.join(allowed)}" if allowed else "choose a smaller upscaleFactor"
        raise EncodeError(
            f"outputFormat {file_format} holds at most {_LONGEST_SIDE[file_format]} pixels per side; "
            f"the result would be {width} x {height}: {advice}",
            parameter="outputFormat",
            allowed_values=allowed,
        )


def _check_colour_space(picture: Picture | Animation, file_format: FileFormat) -> None:
    if picture.cicp is not None and file_format != "PNG":
        raise EncodeError(
            f"the colour space of the picture, cICP {'-'.join(map(str, picture.cicp))}, has no ICC profile, "
            f"so outputFormat {file_format} cannot store it: choose PNG",
            parameter="outputFormat",
            allowed_values=["PNG"],
        )


def stays_lossless(picture: Picture | Animation, file_format: FileFormat, quality: int | None) -> bool:
    """Returns whether a result is lossless because its picture is: WEBP that stays WEBP.

    Args:
        picture: The source picture.
        file_format: Format of the result.
        quality: Quality that is asked for, which always means lossy; None for none.
    """
    return picture.lossless and file_format == "WEBP" and quality is None
