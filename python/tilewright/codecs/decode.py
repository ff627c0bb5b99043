"""Decoding of picture files: PNG, JPG, WEBP and GIF here, other formats in modules of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs import jpeg, png_chunks, verdict, webp
from tilewright.codecs.animation_reader import open_animation
from tilewright.codecs.bmp import decode_bmp
from tilewright.codecs.colour import png_colour_space
from tilewright.codecs.heif import decode_heif, sniff_heif
from tilewright.codecs.libvips import metadata_blob, vips
from tilewright.codecs.metadata import FileMetadata, exif_orientation, exif_resolution, filter_metadata
from tilewright.codecs.png_text import PngText, read_text
from tilewright.codecs.raw_profile import raw_exif
from tilewright.codecs.samples import SourceInfo, cmyk_to_srgb, picture_from_samples
from tilewright.codecs.structure import read_structure
from tilewright.codecs.tiff import decode_tiff
from tilewright.codecs.watch import watched
from tilewright.errors import DecodeError
from tilewright.limits import UNLIMITED, InputLimits
from tilewright.literals import INPUT_FORMATS
from tilewright.picture import Animation

if TYPE_CHECKING:
    import threading

    from tilewright.codecs.metadata import Resolution
    from tilewright.codecs.structure import Structure
    from tilewright.picture import Picture

_LOADERS = {"PNG": "pngload_buffer", "JPG": "jpegload_buffer", "WEBP": "webpload_buffer", "GIF": "gifload_buffer"}

SNIFF_BYTES = 256
"""Bytes from the beginning of a file that `sniff` needs."""

_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))

# Unsupported formats by their first bytes, so that the error message can name them.
_UNSUPPORTED = (
    (b"%PDF", "a PDF file"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
    (b"\0\0\1\0", "an icon"),
    (b"\0\5\x16\7", "an AppleDouble file, in which macOS keeps attributes of another file"),
    (b"PK\3\4", "a ZIP archive"),
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
        raise DecodeError(f"not a picture that can be read: {_describe(data)}; send {INPUT_FORMATS}")
    if kind == "TIFF":
        return decode_tiff(data, limits=limits, keep_metadata=keep_metadata, stop=stop)
    if kind in ("AVIF", "HEIC"):
        return decode_heif(data, kind, limits=limits, keep_metadata=keep_metadata, stop=stop)
    if kind == "BMP":
        return decode_bmp(data, limits=limits)
    structure = read_structure(data, kind)
    limits.check_frames(structure.frames)
    for source in verdict.sources(kind, structure.data, limits):
        try:
            return _decode(source, data, kind, structure, limits, keep_metadata=keep_metadata, stop=stop)
        except vips().Error:
            continue  # its text may be about another picture
    raise DecodeError(f"the {kind} file is corrupt or cut short: {verdict.find_damage(kind, structure.data)}")


def _decode(
    source: bytes,
    data: bytes,
    kind: str,
    structure: Structure,
    limits: InputLimits,
    *,
    keep_metadata: bool,
    stop: threading.Event | None,
) -> Picture | Animation:
    """Decodes what `verdict.sources` gives for a file; everything but the pixels comes from the file."""
    # "error" refuses truncated files and failed checksums. "warning" would also refuse the many files
    # with harmless flaws (a wrong sRGB chunk). JPEG has no checksums, so warnings must tell damage;
    # `verdict.sources` has taken the harmless ones away.
    fail_on = "warning" if kind == "JPG" else "error"
    image = vips().Operation.call(_LOADERS[kind], source, fail_on=fail_on, access="sequential")
    chunks = png_chunks.leading_chunks(data) if kind == "PNG" else {}
    limits.check_size(*structure.size(image), structure.frames)
    if structure.frames > 1:
        info = _source_info(image, kind, data, chunks, keep_metadata=keep_metadata, grey=False)
        animation = open_animation(structure.frames_data(), structure.frames, info)
        limits.check_size(animation.width, animation.height, animation.count)
        return animation
    with watched(image, limits, stop):
        return _picture(structure.placed(image), kind, data, chunks, keep_metadata=keep_metadata)


def sniff(data: bytes) -> str | None:
    """Detects the format of a file from its first bytes.

    Returns:
        ``"PNG"``, ``"JPG"``, ``"WEBP"``, ``"GIF"``, ``"TIFF"``, ``"AVIF"``, ``"HEIC"`` or
        ``"BMP"``; None for anything else.
    """
    if data.startswith(png_chunks.SIGNATURE):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    # The size of the header that follows the 14 bytes of the file header.
    if data.startswith(b"BM") and data[14:18] in _BMP_HEADERS:
        return "BMP"
    return sniff_heif(data)


def _describe(data: bytes) -> str:
    """Describes data of an unsupported format, for an error message."""
    if not data:
        return "it is empty (0 bytes)"
    for magic, name in _UNSUPPORTED:
        if data.startswith(magic):
            return f"it is {name}"
    if data[4:8] == b"ftyp":
        return "it is a video file, or a picture of a kind related to HEIC"
    head = data[:64]
    if b"<svg" in data[:1024]:
        return "it is an SVG drawing"
    if not any(head) and not data.strip(b"\0"):
        return f"its {len(data)} bytes are all zero, as after an interrupted copy"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return f"it looks like text, beginning with {head[:24].decode('utf-8', 'replace')!r}"
    return f"its {len(data)} bytes begin with {data[:8].hex(' ')}"


def _picture(image: Any, kind: str, data: bytes, chunks: dict[bytes, bytes], *, keep_metadata: bool) -> Picture:
    """Decodes the pixels of an opened file."""
    info = _source_info(image, kind, data, chunks, keep_metadata=keep_metadata, grey=image.bands <= 2)
    if image.interpretation == "cmyk":
        image = cmyk_to_srgb(image, info.icc)
        info = replace(info, icc=None)
    dtype: Any = np.uint16 if image.format == "ushort" else np.uint8
    samples = np.frombuffer(image.write_to_memory(), dtype).reshape(image.height, image.width, image.bands)
    if kind == "WEBP":
        samples = webp.with_exact_grey(samples, data)
    return picture_from_samples(samples, info)


def _source_info(
    image: Any, kind: str, data: bytes, chunks: dict[bytes, bytes], *, keep_metadata: bool, grey: bool
) -> SourceInfo:
    """Returns what an opened file says about its samples."""
    icc, exif, xmp, iptc = (metadata_blob(image, f"{name}-data") for name in ("icc-profile", "exif", "xmp", "iptc"))
    cicp = None
    if kind == "PNG":
        icc, cicp = png_colour_space(chunks, icc, grey=grey)
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    if kind == "PNG" and exif is None and (exif := raw_exif(data)) is not None:
        orientation = exif_orientation(exif)
    text = read_text(data) if kind == "PNG" else PngText()
    found = FileMetadata(exif, xmp, iptc or text.iptc, text)
    return SourceInfo(
        icc=icc,
        cicp=cicp,
        orientation=orientation,
        dpi=_resolution(kind, data, chunks, exif),
        metadata=filter_metadata(found, data, keep=keep_metadata, rotated=orientation != 1),
        source_format=kind,
        lossless=kind == "WEBP" and webp.is_lossless(data),
    )


def _resolution(kind: str, data: bytes, chunks: dict[bytes, bytes], exif: bytes | None) -> Resolution | None:
    """Returns the resolution from the format's own header, else from Exif."""
    found = None
    if kind == "PNG":
        found = png_chunks.read_resolution(chunks)
    elif kind == "JPG":
        found = jpeg.read_jfif_resolution(data)
    return exif_resolution(exif) if found is None and exif is not None else found
