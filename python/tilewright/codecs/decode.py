"""Bytes to pictures: PNG, JPG, WEBP and still GIF files."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tilewright.codecs import reason, vips
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.picture import Picture, Pixels

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


def decode(data: bytes, *, max_pixels: int | None = None) -> Picture:
    """Decode a picture from a file's bytes; the content decides, never a name.

    The result is upright (EXIF orientation applied). Grey stays grey, a palette becomes RGB, 1, 2 and 4 bits become 8,
    16 bits stay. CMYK becomes sRGB through its profile, or by the plain complement when it has none.

    Args:
        data: the whole file.
        max_pixels: refuse pictures of more than this many pixels, on the word of the header, before decoding.

    Raises:
        DecodeError: no picture, a kind that is not read, an animation, corrupt or cut short.
        ImageTooLargeError: more than `max_pixels`.
    """
    kind = sniff(data)
    if kind is None:
        raise DecodeError(f"not a picture that can be read: {_describe(data)}; send PNG, JPG, WEBP or a still GIF")
    vips().vips_lib.vips_error_clear()  # mere warnings about an earlier file would turn up in this one's message
    try:
        # "error" refuses files that are cut short or whose checksums fail; "warning" would also refuse the many
        # photographs with harmless oddities (stray bytes between markers, a wrong sRGB chunk) that every viewer opens.
        image = vips().Operation.call(_LOADERS[kind], data, fail_on="error", access="sequential")
        _check_size(image.width, image.height, max_pixels)
        _check_still(image, kind, data)
        return _picture(image, kind)
    except vips().Error as error:
        raise DecodeError(f"the {kind} file is corrupt or cut short: {reason(error)}") from error


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


def _check_size(width: int, height: int, max_pixels: int | None) -> None:
    if max_pixels is not None and width * height > max_pixels:
        raise ImageTooLargeError(
            f"the picture has {width} x {height} = {width * height} pixels, the limit is {max_pixels}; "
            "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_PIXELS"
        )


def _check_still(image: Any, kind: str, data: bytes) -> None:
    frames = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if kind == "PNG":  # libvips shows the default picture of an animated PNG and does not say that there are more
        frames = _png_frames(data)
    if frames > 1:
        raise DecodeError(f"the {kind} file is an animation of {frames} frames; send one frame as a still picture")


def _png_frames(data: bytes) -> int:
    """Number of frames by the acTL chunk, which must stand before the pixels (PNG specification, third edition)."""
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"acTL" and at + 12 <= len(data):
            return int(struct.unpack_from(">I", data, at + 8)[0])
        if name == b"IDAT":
            break
        at += 12 + length
    return 1


def _picture(image: Any, kind: str) -> Picture:
    icc = bytes(image.get("icc-profile-data")) if image.get_typeof("icc-profile-data") else None
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    if image.interpretation == "cmyk":
        image = cmyk_to_srgb(image, icc)
        icc = None
    depth: Any = np.uint16 if image.format == "ushort" else np.uint8
    samples = np.frombuffer(image.write_to_memory(), depth)
    return picture_from_samples(
        samples.reshape(image.height, image.width, image.bands), icc=icc, orientation=orientation, source_format=kind
    )


def cmyk_to_srgb(image: Any, icc: bytes | None) -> Any:
    """A CMYK libvips image in sRGB: through its profile, or as ``(255 - ink)·(255 - black)/255`` when it has none."""
    if icc is not None and icc[16:20] == b"CMYK":  # a profile for another colour model says nothing about these inks
        return image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
    paper = image.linear([-1] * 4, [255] * 4)
    return ((paper[:3] * paper[3]) / 255).rint().cast("uchar").copy(interpretation="srgb")


def picture_from_samples(
    samples: Pixels, *, icc: bytes | None = None, orientation: int = 1, source_format: str = "array"
) -> Picture:
    """A picture from interleaved samples.

    Args:
        samples: uint8 or uint16 ``[H, W, C]``; C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        icc: profile of the samples; dropped when it is for another colour model than theirs.
        orientation: EXIF orientation 1 to 8, applied; anything else counts as 1.
        source_format: see `Picture`.
    """
    samples = _upright(samples, orientation)
    colours = 1 if samples.shape[2] <= 2 else 3
    alpha = np.ascontiguousarray(samples[:, :, -1]) if samples.shape[2] != colours else None
    # Bytes 16-20 of a profile's header name the colour model of its device side (ICC.1, 7.2).
    if icc is not None and icc[16:20] != (b"GRAY" if colours == 1 else b"RGB "):
        icc = None
    return Picture(np.ascontiguousarray(samples[:, :, :colours]), alpha, icc, source_format)


def _upright(samples: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (Exif 2.3, tag 0x0112): 2-4 mirror, 5-8 also swap rows and columns."""
    if orientation in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


def picture_from_array(array: Any, *, max_pixels: int | None = None) -> Picture:
    """A picture over a NumPy array; memory is shared where the layout allows.

    Args:
        array: uint8 or uint16, ``[H, W]``, or ``[H, W, C]`` with C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        max_pixels: refuse pictures of more than this many pixels.

    Raises:
        DecodeError: another dtype or shape, or no pixels.
        ImageTooLargeError: more than `max_pixels`.
    """
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise DecodeError(f"the array must be uint8 or uint16, it is {array.dtype}; scale and convert it first")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise DecodeError(f"the array must be [H, W] or [H, W, C] with C from 1 to 4, its shape is {array.shape}")
    if array.size == 0:
        raise DecodeError(f"the array holds no pixels, its shape is {array.shape}")
    _check_size(array.shape[1], array.shape[0], max_pixels)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return picture_from_samples(native if native.ndim == 3 else native[:, :, None])


def picture_from_pillow(image: Any, *, max_pixels: int | None = None) -> Picture:
    """A picture from a Pillow image, with its ICC profile, transparency and EXIF orientation.

    Raises:
        DecodeError: a mode without an 8- or 16-bit equivalent, an animation, a file that Pillow cannot finish reading.
        ImageTooLargeError: more than `max_pixels`.
    """
    if image.width == 0 or image.height == 0:
        raise DecodeError(f"the Pillow image holds no pixels, its size is {image.size}")
    _check_size(image.width, image.height, max_pixels)
    # Phones append previews to a JPEG and Pillow counts them as frames (MPO); the first is the photograph.
    try:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise DecodeError(f"the Pillow image is an animation of {frames} frames; pass image.copy() of one frame")
        orientation = image.getexif().get(0x0112, 1)
        icc = image.info.get("icc_profile")
        if image.mode == "CMYK":
            plane = vips().Image.new_from_memory(image.tobytes(), image.width, image.height, 4, "uchar")
            plane = plane.copy(interpretation="cmyk")
            if icc:
                plane.set_type(vips().GValue.blob_type, "icc-profile-data", icc)
            samples, icc = cmyk_to_srgb(plane, icc).numpy(), None
        else:
            samples = _pillow_samples(image)
    # Pillow reports broken PNG chunks as SyntaxError and closed files as ValueError.
    except (OSError, SyntaxError, ValueError, vips().Error) as error:
        raise DecodeError(f"the Pillow image cannot be read: {error}") from error
    return picture_from_samples(samples, icc=icc, orientation=orientation, source_format="Pillow")


# Pillow modes that carry over after conversion; those that map to None are arrays of samples as they are.
_PILLOW_MODES = {
    "L": None, "LA": None, "RGB": None, "RGBA": None, "I;16": None, "I;16L": None, "I;16B": None, "I;16N": None,
    "1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB", "P": "RGB",
}  # fmt: skip


def _pillow_samples(image: Any) -> Pixels:
    if image.mode not in _PILLOW_MODES:
        raise DecodeError(
            f"a Pillow image of mode {image.mode!r} has no 8- or 16-bit equivalent; convert it to RGB or L"
        )
    target = _PILLOW_MODES[image.mode]
    if "transparency" in image.info and image.mode in ("1", "L", "RGB", "P"):
        target = "RGBA" if image.mode in ("RGB", "P") else "LA"
    samples = np.asarray(image.convert(target) if target else image)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    if samples.dtype == np.uint16 and "transparency" in image.info:  # no Pillow mode to convert to
        opaque = samples != image.info["transparency"]
        return np.stack([samples, opaque * np.uint16(65535)], axis=2)
    return samples if samples.ndim == 3 else samples[:, :, None]
