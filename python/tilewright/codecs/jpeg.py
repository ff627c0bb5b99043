"""JPEG support that libvips lacks: what is damage, resolutions in JFIF headers, and Exif."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tilewright.codecs.jpeg_scan import read_structure, without_harmless_flaws, without_padding
from tilewright.codecs.metadata import resolution
from tilewright.errors import DecodeError, ImageTooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.codecs.jpeg_scan import Structure
    from tilewright.codecs.metadata import Resolution
    from tilewright.limits import InputLimits

# Encoders write about ten scans for a progressive file; T.81 allows many hundreds, each of which costs
# a pass over all coefficients.
MAX_SCANS = 100

_UNSUPPORTED_PROCESSES = {
    0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical", 0xCB: "lossless",
    0xCD: "hierarchical", 0xCE: "hierarchical", 0xCF: "hierarchical",
}  # fmt: skip


def check_claims(structure: Structure, size: int, limits: InputLimits) -> None:
    """Refuses a file that is not supported, or whose headers claim too much, before it is decoded.

    Args:
        structure: Structure of the file.
        size: Size of the file in bytes.
        limits: Limits on pixels.

    Raises:
        DecodeError: A kind of JPEG that is not supported, no header or end, or fewer bytes than the
            pixels need.
        ImageTooLargeError: Over a limit, or more than `MAX_SCANS` scans.
    """
    # A decoder that finds a header nevertheless would follow claims that are not checked. Zeros in place of a lost end
    # can be valid codes, so that only the missing end marker shows the loss.
    if not structure.frame or not structure.ended:
        raise DecodeError(f"the JPG file is corrupt or cut short: {find_damage(structure)}")
    if structure.precision != 8:
        raise DecodeError(f"{structure.precision}-bit JPEG is not supported; send JPG with 8 bits, or PNG")
    if structure.frame in _UNSUPPORTED_PROCESSES:
        raise DecodeError(f"{_UNSUPPORTED_PROCESSES[structure.frame]} JPEG is not supported; send ordinary JPG, or PNG")
    limits.check_size(structure.width, structure.height)
    if (scans := len(structure.scans)) > MAX_SCANS:
        raise ImageTooLargeError(
            f"the JPG file has {scans} scans, the limit is {MAX_SCANS}; save it as ordinary (not progressive) JPG"
        )
    if size < structure.fewest_bytes:
        raise DecodeError(
            f"the JPG file is corrupt or cut short: {structure.width} x {structure.height} pixels need "
            f"at least {structure.fewest_bytes} bytes, the file has {size}"
        )


def variants(data: bytes, structure: Structure) -> Iterator[bytes]:
    """Yields what to decode instead of a file, so that each warning of the decoder means lost pixels.

    JPEG files have no checksums, so the decoder's warnings must tell damage. But it also warns of
    flaws that cost no pixels, and it reports only a file's first warning. A file is sound if one of
    the variants is decoded without any warning.

    Args:
        data: The whole file.
        structure: Its structure.
    """
    repaired = without_harmless_flaws(data, structure)
    yield repaired
    unpadded = without_padding(repaired, read_structure(repaired))
    if unpadded is not repaired:
        yield unpadded


def find_damage(structure: Structure) -> str:
    """Describes what is wrong with a file that cannot be decoded without a warning."""
    if not structure.frame or not structure.scans:
        return "its header is incomplete"
    if not structure.ended:
        return "it ends before its end marker"
    return "pixel data is damaged or missing"


def read_jfif_resolution(data: bytes) -> Resolution | None:
    """Returns the resolution from the JFIF header, in pixels per inch.

    Args:
        data: The whole file; a JFIF header must be its first segment.

    Returns:
        Horizontal and vertical resolution; None if there is no header, or it gives no unit.
    """
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\0" or len(data) < 18:
        return None
    unit, x, y = struct.unpack(">BHH", data[13:18])
    return resolution(x, y, {1: 1.0, 2: 2.54}.get(unit))


def add_jfif_resolution(data: bytes, dpi: Resolution) -> bytes:
    """Returns a JPEG file with a JFIF header, version 1.02, that gives a resolution.

    Args:
        data: A JPEG file without a JFIF header, as libvips writes it.
        dpi: Horizontal and vertical pixels per inch; rounded to integers from 1 to 65535.
    """
    x, y = (min(65535, max(1, round(each))) for each in dpi)
    header = struct.pack(">H5sHBHHBB", 16, b"JFIF\0", 0x0102, 1, x, y, 0, 0)
    return data[:2] + b"\xff\xe0" + header + data[2:]


def add_exif(data: bytes, exif: bytes) -> bytes:
    """Returns a JPEG file that begins with a segment of Exif data.

    Args:
        data: A JPEG file without Exif.
        exif: Exif data as TIFF, at most 65527 bytes.
    """
    body = b"Exif\0\0" + exif
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
