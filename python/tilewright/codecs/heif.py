"""Decoding of AVIF and HEIC files with libvips, where its libheif has the decoder.

Boxes follow ISO/IEC 14496-12 and 23008-12 (HEIF).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.colour import png_colour_space
from tilewright.codecs.libvips import metadata_blob, vips
from tilewright.codecs.metadata import FileMetadata, exif_resolution, filter_metadata
from tilewright.codecs.samples import SourceInfo, picture_from_samples
from tilewright.codecs.watch import watched
from tilewright.errors import DecodeError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from tilewright.limits import InputLimits
    from tilewright.picture import Picture, Pixels

_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_SEQUENCE_BRANDS = (b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1")

# Boxes that are looked at on one level. libheif has read the picture by then.
_MAX_BOXES = 10_000

# Brands after which a file lists more than any does.
_MAX_BRANDS = 32


def sniff_heif(data: bytes) -> str | None:
    """Returns ``"AVIF"`` or ``"HEIC"`` if a file says in its first box that it is one; else None."""
    if data[4:8] != b"ftyp":
        return None
    brands = _brands(data)
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in _HEIC_BRANDS for brand in brands) else None


def decode_heif(
    data: bytes, kind: str, *, limits: InputLimits, keep_metadata: bool, stop: threading.Event | None = None
) -> Picture:
    """Decodes the main picture of an AVIF or HEIC file.

    The picture is upright: rotation and mirroring are part of the format, and the Exif orientation
    does not count. Samples of 10 and 12 bits become 16. Further pictures of the file are left out;
    `Picture.left_out` says so.

    Args:
        data: The whole file.
        kind: ``"AVIF"`` or ``"HEIC"``.
        limits: Limits on pixels, checked before the pixels are decoded.
        keep_metadata: As for `tilewright.codecs.decode.decode`.
        stop: Event that cancels decoding.

    Raises:
        CancelledError: `stop` was set.
        DecodeError: An animation, a file that libvips has no decoder for, or a corrupt or truncated
            file.
        ImageTooLargeError: Over a limit.
    """
    if _brands(data)[0] in _SEQUENCE_BRANDS:
        raise DecodeError(f"the {kind} file is an animation, which is not supported; convert it to APNG or WEBP")
    try:
        image = _open(data)
        limits.check_size(image.width, image.height)
        bits = int(image.get("bits-per-sample")) if image.get_typeof("bits-per-sample") else 8
        icc, exif, xmp = (metadata_blob(image, f"{name}-data") for name in ("icc-profile", "exif", "xmp"))
        dtype: Any = np.uint16 if image.format == "ushort" else np.uint8
        with watched(image, limits, stop):
            samples = np.frombuffer(image.write_to_memory(), dtype).reshape(image.height, image.width, image.bands)
    except vips().Error as error:  # its text may be about another picture
        raise DecodeError(_failure(kind)) from error
    further = int(image.get("n-pages")) - 1 if image.get_typeof("n-pages") else 0
    left_out = [f"{further} further picture{'s' if further > 1 else ''}"] if further > 0 else []
    icc, cicp = png_colour_space(_coding_chunk(data), icc, grey=False)
    # libheif has rotated the pixels if a box says so; the Exif orientation then describes the file.
    metadata = filter_metadata(FileMetadata(exif, xmp), data, keep=keep_metadata, rotated=_is_rotated(data))
    info = SourceInfo(
        icc=icc,
        cicp=cicp,
        dpi=exif_resolution(exif) if exif is not None else None,
        metadata=metadata.without(left_out),
        source_format=kind,
    )
    return picture_from_samples(_full_range(samples, bits), info)


def _is_rotated(data: bytes) -> bool:
    """Returns whether the file has a box that rotates or mirrors a picture."""
    properties = (b"meta", b"iprp", b"ipco")
    return any(True for name in (b"irot", b"imir") for _ in _boxes(data, (*properties, name)))


def _open(data: bytes) -> Any:
    """Opens the main picture, which need not be the first."""
    image = vips().Operation.call("heifload_buffer", data, fail_on="error", access="sequential")
    main = image.get("heif-primary") if image.get_typeof("heif-primary") else 0
    if not main:
        return image
    return vips().Operation.call("heifload_buffer", data, fail_on="error", access="sequential", page=main)


def _failure(kind: str) -> str:
    """Returns why a file could not be decoded."""
    if kind == "HEIC":
        return (
            "the HEIC file cannot be decoded: the installed libvips has no HEVC decoder, or the file is corrupt; "
            "convert it to JPG, PNG or AVIF"
        )
    if not vips().type_find("VipsOperation", "heifload_buffer"):
        return "the AVIF file cannot be decoded: the installed libvips has no loader for it; convert it to PNG or JPG"
    return "the AVIF file is corrupt or cut short"


def _full_range(samples: Pixels, bits: int) -> Pixels:
    """Scales samples so that the brightest is 65535.

    libvips shifts samples of 10 and 12 bits to the left; repeating their upper bits in the lower
    ones completes the range.
    """
    return samples if samples.dtype == np.uint8 or bits >= 16 else samples | samples >> np.uint16(bits)


def _brands(data: bytes) -> list[bytes]:
    """Returns the major brand of a file, then the brands that it is compatible with."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 16 + 4 * _MAX_BRANDS)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]


def _coding_chunk(data: bytes) -> dict[bytes, bytes]:
    """Returns the colour space that a file gives by code points, as PNG's chunk cICP; {} if none.

    The matrix does not matter, because libheif has converted to RGB of full range. A profile takes
    precedence, and code point 2 means unspecified.
    """
    for path, body in _boxes(data, (b"meta", b"iprp", b"ipco", b"colr")):
        if path == b"colr" and body[:4] == b"prof":
            return {}
    for _, body in _boxes(data, (b"meta", b"iprp", b"ipco", b"colr")):
        if body[:4] == b"nclx" and len(body) >= 10:
            primaries, curve = struct.unpack(">HH", body[4:8])
            if primaries != 2 and curve != 2 and max(primaries, curve) < 256:
                return {b"cICP": bytes((primaries, curve, 0, 1))}
    return {}


def _boxes(data: bytes, path: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and content of every box at a path; incomplete boxes end the search."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8:  # 0: to the end of the file; 1: a length of 64 bits, for media data only
            length = len(data) - at if length == 0 else max(16, int.from_bytes(data[at + 8 : at + 16], "big"))
        if kind == path[0]:
            # The content of "meta" begins with a version and flags.
            body = data[at + (12 if kind == b"meta" else 8) : at + length]
            if len(path) == 1:
                yield kind, body
            else:
                yield from _boxes(body, path[1:])
        at += length
