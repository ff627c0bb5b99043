"""Decoding of BMP files with Pillow; libvips has no loader of its own for them."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tilewright.codecs.in_memory import picture_from_pillow
from tilewright.errors import DecodeError

if TYPE_CHECKING:
    from tilewright.limits import InputLimits
    from tilewright.picture import Picture

# Pillow decodes run lengths in Python, in the worst case half a million runs or ends of rows in a second. A run can
# have a single pixel, so that sound data has at most 4 bytes per pixel and 4 per row. A profile may follow.
_MAX_RUN_PIXELS = 1 << 21
_MAX_SURPLUS = 1 << 20

_FILE_HEADER = 14
_OS2_HEADER = 12  # the oldest, with sizes of 16 bits
_V5_HEADER = 124
_EMBEDDED_PROFILE = b"DEBM"  # 'MBED', little-endian


def decode_bmp(data: bytes, *, limits: InputLimits) -> Picture:
    """Decodes a BMP file of 1 to 32 bits per pixel, with or without run lengths.

    Args:
        data: The whole file.
        limits: Limits on pixels, checked before the pixels are decoded.

    Raises:
        DecodeError: A file of a rare kind, or a corrupt or truncated one.
        ImageTooLargeError: Over a limit.
    """
    from PIL.BmpImagePlugin import BmpImageFile

    try:
        # Not Image.open: its own limit on pixels is smaller than ours.
        image = BmpImageFile(io.BytesIO(data))
    except Exception as error:  # Pillow raises many types of exception for malformed data
        raise DecodeError("the BMP file is corrupt, or of a kind that is not supported; convert it to PNG") from error
    limits.check_size(*image.size)
    _check_pixel_data(image, len(data))
    try:
        picture = picture_from_pillow(image)
    except DecodeError as error:
        raise DecodeError("the BMP file is corrupt or cut short") from error
    icc = _profile(data)
    matches = icc is not None and icc[16:20] == (b"GRAY" if picture.pixels.shape[2] == 1 else b"RGB ")
    return replace(picture, icc=icc if matches else None, source_format="BMP")


def read_bmp_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height in pixels as the header of a BMP file claims; None if it is invalid.

    Args:
        data: The first 26 bytes of the file, or more.
    """
    try:
        (header,) = struct.unpack_from("<I", data, _FILE_HEADER)
        width, height = struct.unpack_from("<HH" if header == _OS2_HEADER else "<ii", data, _FILE_HEADER + 4)
    except struct.error:
        return None
    height = abs(height)  # negative if the rows go from top to bottom
    return (width, height) if width > 0 and height > 0 else None


def _check_pixel_data(image: Any, length: int) -> None:
    """Refuses files with fewer bytes than their pixels need, before memory is allocated for them.

    Also refuses compressed files that would take long.

    Args:
        image: The image, not loaded.
        length: Length of the file in bytes.
    """
    width, height = image.size
    decoder, _, offset, arguments = image.tile[0]
    if decoder == "raw":
        _, row_bytes, _ = arguments
        if length < offset + row_bytes * (height - 1):
            raise DecodeError("the BMP file is cut short")
    elif width * height > _MAX_RUN_PIXELS:
        raise DecodeError(
            f"the BMP file is compressed and has {width * height} pixels, more than {_MAX_RUN_PIXELS}; "
            "convert it to PNG"
        )
    elif length - offset > 4 * (width * height + height) + _MAX_SURPLUS:
        raise DecodeError("the BMP file is corrupt: it has more compressed data than its pixels can need")


def _profile(data: bytes) -> bytes | None:
    """Returns the ICC profile in a header of version 5; its offset counts from that header."""
    if len(data) < _FILE_HEADER + _V5_HEADER or struct.unpack_from("<I", data, _FILE_HEADER)[0] != _V5_HEADER:
        return None
    if data[_FILE_HEADER + 56 : _FILE_HEADER + 60] != _EMBEDDED_PROFILE:
        return None
    offset, length = struct.unpack_from("<II", data, _FILE_HEADER + 112)
    return data[_FILE_HEADER + offset : _FILE_HEADER + offset + length]
