"""Pictures from NumPy arrays, and from and to Pillow images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.carried import with_carried_metadata
from tilewright.codecs.libvips import vips
from tilewright.codecs.messages import error_text
from tilewright.codecs.metadata import ORIENTATION, FileMetadata, filter_metadata, resolution
from tilewright.codecs.png_text import PROFILE_KEYWORD, PngText, is_carried
from tilewright.codecs.samples import SourceInfo, cmyk_to_srgb, picture_from_samples
from tilewright.errors import DecodeError, EncodeError
from tilewright.limits import UNLIMITED, InputLimits
from tilewright.picture import TextEntry

if TYPE_CHECKING:
    from PIL.Image import Image

    from tilewright.codecs.metadata import Resolution
    from tilewright.picture import Picture, Pixels


# Converting without scaling would clip or wrap around.
_SCALE = "scale it so that white is 255 and convert it to uint8, or 65535 and uint16"


def picture_from_array(array: Any, *, limits: InputLimits = UNLIMITED) -> Picture:
    """Returns a picture from a NumPy array, sharing its memory where the layout allows.

    Args:
        array: uint8 or uint16, ``[H, W]`` or ``[H, W, C]`` with C = 1 (grey), 2 (grey and alpha),
            3 (RGB) or 4 (RGB and alpha).
        limits: Limit on the number of pixels.

    Raises:
        DecodeError: Another dtype or shape, or no pixels.
        ImageTooLargeError: Over the limit.
    """
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise DecodeError(f"the array must be uint8 or uint16, not {array.dtype}; {_SCALE}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise DecodeError(f"the array must be [H, W] or [H, W, C] with C from 1 to 4, not of shape {array.shape}")
    if array.size == 0:
        raise DecodeError(f"the array has no pixels, its shape is {array.shape}")
    limits.check_size(array.shape[1], array.shape[0])
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return picture_from_samples(native if native.ndim == 3 else native[:, :, np.newaxis])


def picture_from_pillow(image: Any, *, limits: InputLimits = UNLIMITED, keep_metadata: bool = False) -> Picture:
    """Returns a picture from a Pillow image, upright, with ICC profile, alpha and resolution.

    Args:
        image: A `PIL.Image.Image`.
        limits: Limit on the number of pixels.
        keep_metadata: Whether Exif, XMP, IPTC and PNG's text are kept, see `tilewright.codecs.decode.decode`.

    Raises:
        DecodeError: A mode without an 8- or 16-bit equivalent, an animation, no pixels, or a file
            that Pillow cannot finish reading.
        ImageTooLargeError: Over the limit.
    """
    if image.width == 0 or image.height == 0:
        raise DecodeError(f"the Pillow image has no pixels, its size is {image.size}")
    limits.check_size(image.width, image.height)
    try:
        frames = getattr(image, "n_frames", 1)
        # Phones append previews to a JPEG file, which Pillow reports as frames of an MPO file. The
        # first frame is the photograph.
        if frames > 1 and image.format != "MPO":
            raise DecodeError(f"the Pillow image is an animation of {frames} frames; pass image.copy() of one frame")
        orientation = image.getexif().get(ORIENTATION, 1)
        icc = image.info.get("icc_profile")
        if image.mode == "CMYK":
            samples, icc = _cmyk_samples(image, icc), None
        else:
            samples = _pillow_samples(image)
    # Pillow reports broken PNG chunks as SyntaxError and closed files as ValueError.
    except (OSError, SyntaxError, ValueError) as error:
        raise DecodeError(f"the Pillow image cannot be read: {error_text(error)}") from error
    except vips().Error as error:
        raise DecodeError("the Pillow image cannot be read: its CMYK colours cannot be converted") from error
    exif, xmp, dpi = (image.info.get(name) for name in ("exif", "xmp", "dpi"))
    photoshop = image.info.get("photoshop")
    iptc = photoshop.get(0x0404) if isinstance(photoshop, dict) else None
    found = FileMetadata(exif, xmp, iptc, _pillow_text(image))
    info = SourceInfo(
        icc=icc,
        orientation=orientation,
        dpi=_resolution(dpi),
        metadata=filter_metadata(found, b"", keep=keep_metadata, rotated=orientation != 1),
        source_format="Pillow",
    )
    return picture_from_samples(samples, info)


def pillow_mode(picture: Picture) -> str:
    """Returns the mode of the Pillow image that holds a picture.

    Raises:
        EncodeError: Pillow has no mode for it: 16 bits are for grey without transparency only.
    """
    mode = ("L" if picture.pixels.shape[2] == 1 else "RGB") + ("" if picture.alpha is None else "A")
    if picture.pixels.dtype == np.uint8:
        return mode
    if mode != "L":
        raise EncodeError(
            f"Pillow has no mode for {mode} with 16 bits; use upscale_array or upscale_file, or convert the image to "
            "8 bits"
        )
    return "I;16"


def pillow_image(picture: Picture) -> Image:
    """Returns a Pillow image with the ICC profile, the resolution, Exif and XMP in its ``info``.

    Raises:
        EncodeError: As for `pillow_mode`.
    """
    from PIL import Image

    pillow_mode(picture)
    carried = with_carried_metadata(picture, "PNG", picture.width, picture.height)
    samples = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    image = Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    exif = None if carried.exif is None else b"Exif\0\0" + carried.exif
    info = {"icc_profile": picture.icc, "dpi": picture.dpi, "exif": exif, "xmp": carried.xmp}
    image.info.update((name, value) for name, value in info.items() if value is not None)
    return image


def _resolution(dpi: Any) -> Resolution | None:
    """Returns the resolution that a Pillow image states. Programs may store anything there."""
    try:
        return resolution(float(dpi[0]), float(dpi[1]), 1.0) if dpi else None
    except (TypeError, ValueError, LookupError, ArithmeticError):
        return None


def _pillow_text(image: Any) -> PngText:
    """Returns the text of an image that was opened from a PNG file. Pillow bounds its length."""
    text = getattr(image, "text", None) if image.format == "PNG" else None
    if not isinstance(text, dict):
        return PngText()
    return PngText(
        tuple(
            TextEntry(keyword, str(value), getattr(value, "lang", None) or "", getattr(value, "tkey", None) or "")
            for keyword, value in text.items()
            if is_carried(keyword) and not keyword.startswith(PROFILE_KEYWORD)
        )
    )


def _lab_samples(image: Any) -> Pixels:
    """Returns a CIELAB image as sRGB samples ``[H, W, 3]``."""
    from PIL import ImageCms

    lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
    return np.asarray(ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))


def _cmyk_samples(image: Any, icc: bytes | None) -> Pixels:
    """Returns a CMYK image as sRGB samples ``[H, W, 3]``."""
    inks = vips().Image.new_from_memory(image.tobytes(), image.width, image.height, 4, "uchar")
    inks = inks.copy(interpretation="cmyk")
    if icc:
        inks.set_type(vips().GValue.blob_type, "icc-profile-data", icc)
    samples: Pixels = cmyk_to_srgb(inks, icc).numpy()
    return samples


# Mode to convert to, by mode of the image; None if the samples are used unconverted.
_PILLOW_MODES = {
    "L": None, "LA": None, "RGB": None, "RGBA": None, "I;16": None, "I;16L": None, "I;16B": None, "I;16N": None,
    "1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB", "P": "RGB",
}  # fmt: skip


def _pillow_samples(image: Any) -> Pixels:
    """Returns an image as uint8 or uint16 samples ``[H, W, C]``, C as for `picture_from_array`."""
    if image.mode == "LAB":
        return _lab_samples(image)
    if image.mode in ("I", "F"):  # image.convert() would clip at 255
        raise DecodeError(
            f"a Pillow image of mode {image.mode!r} does not say which value is white; pass np.asarray(image) instead, "
            "scaled to uint8 with white 255 or to uint16 with white 65535"
        )
    if image.mode not in _PILLOW_MODES:
        raise DecodeError(f"a Pillow image of mode {image.mode!r} is not supported; convert it to RGB or RGBA")
    target = _PILLOW_MODES[image.mode]
    if "transparency" in image.info and image.mode in ("1", "L", "RGB", "P"):
        target = "RGBA" if image.mode in ("RGB", "P") else "LA"
    samples = np.asarray(image.convert(target) if target else image)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    if samples.dtype == np.uint16 and "transparency" in image.info:  # Pillow has no 16-bit mode with alpha
        opaque = samples != image.info["transparency"]
        return np.stack([samples, opaque * np.uint16(65535)], axis=2)
    return samples if samples.ndim == 3 else samples[:, :, np.newaxis]
