"""Pictures that are in memory already: NumPy arrays and Pillow images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs import metadata, vips
from tilewright.codecs.samples import cmyk_to_srgb, picture_from_samples
from tilewright.errors import DecodeError
from tilewright.limits import UNLIMITED, Limits

if TYPE_CHECKING:
    from tilewright.picture import Picture, Pixels


def picture_from_array(array: Any, *, limits: Limits = UNLIMITED) -> Picture:
    """A picture over a NumPy array; memory is shared where the layout allows.

    Args:
        array: uint8 or uint16, ``[H, W]``, or ``[H, W, C]`` with C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        limits: refuse more pixels than this.

    Raises:
        DecodeError: another dtype or shape, or no pixels.
        ImageTooLargeError: beyond the limit.
    """
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise DecodeError(f"the array must be uint8 or uint16, it is {array.dtype}; scale and convert it first")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise DecodeError(f"the array must be [H, W] or [H, W, C] with C from 1 to 4, its shape is {array.shape}")
    if array.size == 0:
        raise DecodeError(f"the array holds no pixels, its shape is {array.shape}")
    limits.check_size(array.shape[1], array.shape[0])
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return picture_from_samples(native if native.ndim == 3 else native[:, :, None])


def picture_from_pillow(image: Any, *, limits: Limits = UNLIMITED, keep_metadata: bool = False) -> Picture:
    """A picture from a Pillow image, with its ICC profile, transparency, EXIF orientation and resolution.

    Args:
        image: a `PIL.Image.Image`.
        limits: refuse more pixels than this.
        keep_metadata: as for `tilewright.codecs.decode.decode`.

    Raises:
        DecodeError: a mode without an 8- or 16-bit equivalent, an animation, a file that Pillow cannot finish reading.
        ImageTooLargeError: beyond the limit.
    """
    if image.width == 0 or image.height == 0:
        raise DecodeError(f"the Pillow image holds no pixels, its size is {image.size}")
    limits.check_size(image.width, image.height)
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
    exif, xmp, dpi = (image.info.get(name) for name in ("exif", "xmp", "dpi"))
    return picture_from_samples(
        samples,
        icc=icc,
        orientation=orientation,
        dpi=metadata.resolution(float(dpi[0]), float(dpi[1]), 1.0) if dpi else None,
        source_format="Pillow",
        **metadata.kept(exif, xmp, wanted=keep_metadata),
    )


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
