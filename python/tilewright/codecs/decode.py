"""Decoding of PNG, JPG, WEBP and GIF files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs import gif, jpeg, png_chunks, verdict
from tilewright.codecs.animation_reader import open_animation
from tilewright.codecs.colour import png_colour_space
from tilewright.codecs.libvips import vips
from tilewright.codecs.lossless import is_lossless
from tilewright.codecs.metadata import FileMetadata, exif_resolution, filter_metadata
from tilewright.codecs.png_text import PngText, read_text
from tilewright.codecs.samples import SourceInfo, cmyk_to_srgb, picture_from_samples
from tilewright.codecs.watch import watched
from tilewright.errors import DecodeError
from tilewright.limits import UNLIMITED, InputLimits
from tilewright.picture import Animation

if TYPE_CHECKING:
    import threading

    from tilewright.codecs.metadata import Resolution
    from tilewright.picture import Picture

_LOADERS = {"PNG": "pngload_buffer", "JPG": "jpegload_buffer", "WEBP": "webpload_buffer", "GIF": "gifload_buffer"}

# Unsupported formats by their first bytes, so that the error message can name them.
_UNSUPPORTED = (
    (b"BM", "a BMP file"),
    (b"II*\0", "a TIFF file"),
    (b"MM\0*", "a TIFF file"),
    (b"%PDF", "a PDF file"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
)


def decode(data: bytes, *, limits: InputLimits = UNLIMITED, keep_metadata: bool = False) -> Picture:
    """Decodes a still picture.

    The format is detected from the content. The picture is upright: the EXIF orientation has been
    applied. Grey stays grey, a palette becomes RGB, 1, 2 and 4 bits become 8, 16 bits stay.
    CMYK becomes sRGB through its profile, or as the plain complement if it has none. A PNG file may
    give its colour space without a profile; it is then converted to one, see
    `tilewright.codecs.colour`.

    Args:
        data: The whole file.
        limits: Limits on pixels and bytes, checked before the pixels are decoded.
        keep_metadata: Whether Exif, XMP, IPTC and PNG's text are kept, without the entries that are
            only true of this file.

    Raises:
        DecodeError: An unsupported format, an animation, or a corrupt or truncated file.
        ImageTooLargeError: Over a limit.
    """
    decoded = decode_any(data, limits=limits, keep_metadata=keep_metadata)
    if isinstance(decoded, Animation):
        raise DecodeError(
            f"the {decoded.source_format} file is an animation of {decoded.count} frames; "
            "send one frame as a still picture"
        )
    return decoded


def decode_any(
    data: bytes,
    *,
    limits: InputLimits = UNLIMITED,
    keep_metadata: bool = False,
    stop: threading.Event | None = None,
) -> Picture | Animation:
    """Decodes a still picture, or opens an animation whose frames are decoded on demand.

    Args:
        data: The whole file.
        limits: Limits on pixels, bytes and frames, checked before the pixels are decoded, and on
            the time that decoding takes.
        keep_metadata: As for `decode`.
        stop: Event that cancels the decoding of a still picture.

    Raises:
        CancelledError: `stop` was set.
        DecodeError: An unsupported format, or a corrupt or truncated file.
        ImageTooLargeError: Over a limit.
    """
    limits.check_bytes(len(data))
    kind = sniff(data)
    if kind is None:
        raise DecodeError(f"not a picture that can be read: {_describe(data)}; send PNG, JPG, WEBP or GIF")
    for source in verdict.sources(kind, data, limits):
        try:
            return _decode(source, kind, limits, keep_metadata=keep_metadata, stop=stop)
        except vips().Error:
            continue  # its text may be about another picture
    raise DecodeError(f"the {kind} file is corrupt or cut short: {verdict.find_damage(kind, data)}")


def _decode(
    data: bytes, kind: str, limits: InputLimits, *, keep_metadata: bool, stop: threading.Event | None
) -> Picture | Animation:
    # "error" refuses truncated files and failed checksums. "warning" would also refuse the many files
    # with harmless flaws (a wrong sRGB chunk). JPEG has no checksums, so warnings must tell damage;
    # `verdict.sources` has taken the harmless ones away.
    fail_on = "warning" if kind == "JPG" else "error"
    image = vips().Operation.call(_LOADERS[kind], data, fail_on=fail_on, access="sequential")
    chunks = png_chunks.leading_chunks(data) if kind == "PNG" else {}
    frames = _frame_count(image, chunks)
    limits.check_size(image.width, image.height, frames)
    if kind == "GIF" and gif.is_truncated(data):
        raise DecodeError("the GIF file is corrupt or cut short: a block is incomplete")
    if frames > 1:
        animation = open_animation(data, kind, frames, keep_metadata=keep_metadata)
        # libvips and Pillow disagree about the size if the first GIF frame exceeds the screen.
        limits.check_size(animation.width, animation.height, frames)
        return animation
    with watched(image, limits, stop):
        return _picture(image, kind, data, chunks, keep_metadata=keep_metadata)


def sniff(data: bytes) -> str | None:
    """Detects the format of a file from its first bytes.

    Returns:
        ``"PNG"``, ``"JPG"``, ``"WEBP"`` or ``"GIF"``; None for anything else.
    """
    if data.startswith(png_chunks.SIGNATURE):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    return None


def _describe(data: bytes) -> str:
    """Describes data of an unsupported format, for an error message."""
    if not data:
        return "it is empty (0 bytes)"
    for magic, name in _UNSUPPORTED:
        if data.startswith(magic):
            return f"it is {name}"
    if data[4:8] == b"ftyp":
        return "it is a HEIC, AVIF or video file"
    head = data[:64]
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return f"it looks like text, beginning with {head[:24].decode('utf-8', 'replace')!r}"
    return f"its {len(data)} bytes begin with {data[:8].hex(' ')}"


def _frame_count(image: Any, chunks: dict[bytes, bytes]) -> int:
    # libvips decodes only the default image of an animated PNG and does not report the frame count.
    if len(chunks.get(b"acTL", b"")) == 8:
        return int(struct.unpack(">I", chunks[b"acTL"][:4])[0])
    return int(image.get("n-pages")) if image.get_typeof("n-pages") else 1


def _picture(image: Any, kind: str, data: bytes, chunks: dict[bytes, bytes], *, keep_metadata: bool) -> Picture:
    """Decodes the pixels of an opened file."""
    icc, exif, xmp = (_blob(image, f"{name}-data") for name in ("icc-profile", "exif", "xmp"))
    cicp = None
    if kind == "PNG":
        icc, cicp = png_colour_space(chunks, icc, grey=image.bands <= 2)
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    if image.interpretation == "cmyk":
        image = cmyk_to_srgb(image, icc)
        icc = None
    text = read_text(data) if kind == "PNG" else PngText()
    found = FileMetadata(exif, xmp, _blob(image, "iptc-data") or text.iptc, text)
    info = SourceInfo(
        icc=icc,
        cicp=cicp,
        orientation=orientation,
        dpi=_resolution(kind, data, chunks, exif),
        metadata=filter_metadata(found, data, keep=keep_metadata, rotated=orientation != 1),
        source_format=kind,
        lossless=kind == "WEBP" and is_lossless(data),
    )
    dtype: Any = np.uint16 if image.format == "ushort" else np.uint8
    samples = np.frombuffer(image.write_to_memory(), dtype)
    return picture_from_samples(samples.reshape(image.height, image.width, image.bands), info)


def _blob(image: Any, name: str) -> bytes | None:
    return bytes(image.get(name)) if image.get_typeof(name) else None


def _resolution(kind: str, data: bytes, chunks: dict[bytes, bytes], exif: bytes | None) -> Resolution | None:
    """Returns the resolution from the format's own header, else from Exif."""
    found = None
    if kind == "PNG":
        found = png_chunks.read_resolution(chunks)
    elif kind == "JPG":
        found = jpeg.read_jfif_resolution(data)
    return exif_resolution(exif) if found is None and exif is not None else found
