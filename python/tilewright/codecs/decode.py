"""Bytes to pictures: PNG, JPG, WEBP and GIF files."""

from __future__ import annotations

import contextlib
import struct
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs import colour, gif, jpeg, metadata, png_chunks, reason, vips
from tilewright.codecs.animated import open_animation
from tilewright.codecs.samples import cmyk_to_srgb, picture_from_samples
from tilewright.errors import DecodeError
from tilewright.limits import UNLIMITED, Limits
from tilewright.picture import Animation

if TYPE_CHECKING:
    from tilewright.picture import Picture

_LOADERS = {"PNG": "pngload_buffer", "JPG": "jpegload_buffer", "WEBP": "webpload_buffer", "GIF": "gifload_buffer"}

# Files we can name but do not read, so that the message can say more than "unknown".
_FOREIGN = (
    (b"BM", "a BMP file"),
    (b"II*\0", "a TIFF file"),
    (b"MM\0*", "a TIFF file"),
    (b"%PDF", "a PDF file"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
)

# libvips keeps one list of warnings for the process, and those about a JPEG file decide over it.
_one_jpeg = threading.Lock()


def decode(data: bytes, *, limits: Limits = UNLIMITED, keep_metadata: bool = False) -> Picture:
    """Decode a picture from a file's bytes; the content decides, never a name.

    The result is upright (EXIF orientation applied). Grey stays grey, a palette becomes RGB, 1, 2 and 4 bits become 8,
    16 bits stay. CMYK becomes sRGB through its profile, or by the plain complement when it has none. The colour space
    that a PNG file tells otherwise than by a profile becomes one, see `tilewright.codecs.colour`.

    Args:
        data: the whole file.
        limits: refuse more than this, on the word of the header, before decoding.
        keep_metadata: whether Exif and XMP come along, without what is true of this file only.

    Raises:
        DecodeError: no picture, a kind that is not read, an animation, corrupt or cut short.
        ImageTooLargeError: beyond a limit.
    """
    found = decode_any(data, limits=limits, keep_metadata=keep_metadata)
    if isinstance(found, Animation):
        raise DecodeError(
            f"the {found.source_format} file is an animation of {found.count} frames; send one frame as a still picture"
        )
    return found


def decode_any(data: bytes, *, limits: Limits = UNLIMITED, keep_metadata: bool = False) -> Picture | Animation:
    """`decode`, and of an animation all frames, decoded as they are asked for.

    Raises:
        DecodeError: as `decode`, but for an animation.
        ImageTooLargeError: beyond a limit.
    """
    limits.check_bytes(len(data))
    kind = sniff(data)
    if kind is None:
        raise DecodeError(f"not a picture that can be read: {_describe(data)}; send PNG, JPG, WEBP or GIF")
    with _one_jpeg if kind == "JPG" else contextlib.nullcontext():
        _warnings()  # those about an earlier file would turn up in this one's message
        try:
            # "error" refuses files that are cut short or whose checksums fail; "warning" would also refuse the many
            # photographs with harmless oddities (stray bytes between markers, a wrong sRGB chunk) that viewers open.
            image = vips().Operation.call(_LOADERS[kind], data, fail_on="error", access="sequential")
            chunks = png_chunks.leading_chunks(data) if kind == "PNG" else {}
            frames = _frames(image, chunks)
            limits.check_size(image.width, image.height, frames)
            if kind == "GIF" and gif.is_cut_short(data):
                raise DecodeError("the GIF file is corrupt or cut short: a block of it has no end")
            if frames > 1:
                animation = open_animation(data, kind, frames, keep_metadata=keep_metadata)
                # Readers differ over the size of a GIF file whose first frame reaches beyond its screen.
                limits.check_size(animation.width, animation.height, frames)
                return animation
            about_header = _warnings()
            picture = _picture(image, kind, data, chunks, keep_metadata=keep_metadata)
        except vips().Error as error:
            raise DecodeError(f"the {kind} file is corrupt or cut short: {reason(error)}") from error
        if kind == "JPG" and (problem := jpeg.damage(about_header, _warnings(), data)):
            raise DecodeError(f"the JPG file is corrupt: {problem}")
    return picture


def _warnings() -> list[str]:
    """What libvips warned of since the last call."""
    return str(vips().Error("").detail).splitlines()


def sniff(data: bytes) -> str | None:
    """The kind of picture file by its first bytes: ``"PNG"``, ``"JPG"``, ``"WEBP"``, ``"GIF"``, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    return None


def _describe(data: bytes) -> str:
    if not data:
        return "it is empty (0 bytes)"
    for magic, name in _FOREIGN:
        if data.startswith(magic):
            return f"it is {name}"
    if data[4:8] == b"ftyp":
        return "it is a HEIC, AVIF or video file"
    head = data[:64]
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return f"it looks like text, beginning with {head[:24].decode('utf-8', 'replace')!r}"
    return f"its {len(data)} bytes begin with {data[:8].hex(' ')}"


def _frames(image: Any, chunks: dict[bytes, bytes]) -> int:
    # libvips shows the default picture of an animated PNG and does not say that there are more.
    if len(chunks.get(b"acTL", b"")) == 8:
        return int(struct.unpack(">I", chunks[b"acTL"][:4])[0])
    return int(image.get("n-pages")) if image.get_typeof("n-pages") else 1


def _picture(image: Any, kind: str, data: bytes, chunks: dict[bytes, bytes], *, keep_metadata: bool) -> Picture:
    icc, exif, xmp = (_blob(image, f"{name}-data") for name in ("icc-profile", "exif", "xmp"))
    cicp = None
    if kind == "PNG":
        icc, cicp = colour.colour_space(chunks, icc, grey=image.bands <= 2)
    dpi = png_chunks.resolution(chunks) if kind == "PNG" else jpeg.jfif_resolution(data) if kind == "JPG" else None
    if dpi is None and exif is not None:
        dpi = metadata.exif_resolution(exif)
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    if image.interpretation == "cmyk":
        image = cmyk_to_srgb(image, icc)
        icc = None
    depth: Any = np.uint16 if image.format == "ushort" else np.uint8
    samples = np.frombuffer(image.write_to_memory(), depth)
    return picture_from_samples(
        samples.reshape(image.height, image.width, image.bands),
        icc=icc,
        orientation=orientation,
        dpi=dpi,
        cicp=cicp,
        source_format=kind,
        **metadata.kept(exif, xmp, wanted=keep_metadata),
    )


def _blob(image: Any, name: str) -> bytes | None:
    return bytes(image.get(name)) if image.get_typeof(name) else None
