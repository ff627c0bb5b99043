"""Sample arrays: conversion to pictures, orientation, 8 and 16 bits, compositing, CMYK."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tilewright.codecs.metadata import NO_METADATA, Metadata
from tilewright.errors import TilewrightError, first_line
from tilewright.picture import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.picture import Pixels

# EXIF orientations that swap rows and columns.
_TRANSPOSED = (5, 6, 7, 8)

_BAND_ROWS = 256

_WHITE_16 = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What a file says about its samples.

    Attributes:
        icc: ICC profile of the samples; ignored if it is for another colour model than theirs.
        cicp: See `Picture`.
        orientation: EXIF orientation, 1 to 8; any other value counts as 1.
        dpi: Pixels per inch, horizontal and vertical, before `orientation` is applied.
        metadata: Metadata that is carried.
        source_format: See `Picture`.
        lossless: See `Picture`.
    """

    icc: bytes | None = None
    cicp: bytes | None = None
    orientation: int = 1
    dpi: tuple[float, float] | None = None
    metadata: Metadata = NO_METADATA
    source_format: str = "array"
    lossless: bool = False


class SupportsArray(Protocol):
    """An object that gives its samples as a NumPy array, such as a tensor or a data frame's values."""

    def __array__(self, *args: Any, **options: Any) -> NDArray[Any]: ...


class SupportsDlpack(Protocol):
    """An object that shares its samples by DLPack, such as a tensor."""

    def __dlpack__(self, **options: Any) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, Any]: ...


ArraySource = SupportsArray | SupportsDlpack
"""What is taken as an array; NumPy arrays are such objects."""


def array_from(value: ArraySource) -> NDArray[Any]:
    """Returns a NumPy array, which shares the memory of the object where that is possible.

    Raises:
        TypeError: Not an array, or one that is not in the CPU's memory.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        if hasattr(value, "__array__"):
            return np.asarray(value)
        if hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise TypeError(
            f"pixels ({type(value).__name__}) cannot be read as a NumPy array: {first_line(error)}; "
            "a tensor must be in the CPU's memory and detached from its gradient"
        ) from error
    if isinstance(value, (str, os.PathLike)):
        advice = "upscale_file takes files"
    elif isinstance(value, Sequence):
        advice = "convert it with np.array(pixels, np.uint8)"
    elif type(value).__module__.startswith("PIL."):
        advice = "upscale_image takes Pillow images"
    else:
        advice = "give a NumPy array, or an object with __array__ or __dlpack__"
    raise TypeError(f"pixels must be an array, not {type(value).__name__}; {advice}")


def to_integers(pixels: NDArray[Any]) -> Pixels:
    """Returns an array ``[H, W, C]``, uint8 or uint16 in native byte order, C-contiguous and aligned.

    Floating-point samples from 0 to 1 become 16 bits.

    Raises:
        TypeError: Another dtype.
        TilewrightError: A shape that is not a picture, or floating-point samples outside 0 to 1.
    """
    shape = pixels.shape if pixels.ndim != 2 else (*pixels.shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 2, 3, 4) or 0 in shape:
        planes = "; move the channels to the last axis" if len(shape) == 3 and shape[0] in (1, 2, 3, 4) else ""
        raise TilewrightError(
            f"pixels must be [height, width] or [height, width, 1 to 4 channels] and not empty, "
            f"not {list(pixels.shape)}{planes}",
            parameter="pixels",
        )
    if pixels.dtype.kind == "f":
        pixels = _scaled_to_16_bits(pixels)
    elif pixels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise TypeError(
            f"pixels must be uint8, uint16 or floating-point from 0 to 1, not {pixels.dtype}; convert them, "
            "as in pixels.astype(np.uint8) if white is 255"
        )
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return np.require(native, requirements=["C", "A"]).reshape(shape)


def from_integers(pixels: Pixels, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Returns a result in the dtype of the array from which `to_integers` made its source."""
    if dtype.kind != "f":
        return pixels
    result: NDArray[Any] = np.multiply(pixels, 1 / _WHITE_16, dtype=np.promote_types(dtype, np.float32))
    return result.astype(dtype, copy=False)


def _scaled_to_16_bits(pixels: NDArray[Any]) -> Pixels:
    lowest, highest = pixels.min(), pixels.max()
    if not (lowest >= 0 and highest <= 1):  # also if there is a NaN
        raise TilewrightError(
            f"floating-point pixels must be from 0 (black) to 1 (white), not from {lowest:g} to {highest:g}; "
            "divide them by their white, or use np.clip(pixels, 0, 1) if they only overshoot",
            parameter="pixels",
        )
    wide = np.multiply(pixels, _WHITE_16, dtype=np.promote_types(pixels.dtype, np.float32))
    result: Pixels = np.rint(wide).astype(np.uint16)
    return result


def picture_from_samples(samples: Pixels, info: SourceInfo | None = None) -> Picture:
    """Returns an upright picture with alpha separated from colour.

    Args:
        samples: uint8 or uint16 ``[H, W, C]``; C = 1 (grey), 2 (grey and alpha), 3 (RGB) or
            4 (RGB and alpha).
        info: What the file says about the samples; None if nothing is known.
    """
    info = info or SourceInfo()
    samples = _upright(samples, info.orientation)
    dpi = info.dpi[::-1] if info.dpi is not None and is_transposed(info.orientation) else info.dpi
    channels = 1 if samples.shape[2] <= 2 else 3
    alpha = np.ascontiguousarray(samples[:, :, -1]) if samples.shape[2] != channels else None
    # Bytes 16 to 19 of the header are the colour space of the device side (ICC.1:2022, 7.2).
    colour_model = b"GRAY" if channels == 1 else b"RGB "
    return Picture(
        np.ascontiguousarray(samples[:, :, :channels]),
        alpha,
        icc=info.icc if info.icc is not None and info.icc[16:20] == colour_model else None,
        cicp=info.cicp,
        dpi=dpi,
        exif=info.metadata.exif,
        xmp=info.metadata.xmp,
        source_format=info.source_format,
        iptc=info.metadata.iptc,
        text=info.metadata.text,
        lossless=info.lossless,
        left_out=info.metadata.left_out,
    )


def is_transposed(orientation: int) -> bool:
    """Returns whether an EXIF orientation swaps width and height."""
    return orientation in _TRANSPOSED


def to_8_bit(values: Pixels) -> NDArray[np.uint8]:
    """Rounds 16-bit samples to 8 bits: 65535 becomes 255. Returns 8-bit samples unchanged.

    v·255/65535 is v/257. As 257 is odd, there are no ties; no intermediate exceeds 16 bits.
    """
    if values.dtype == np.uint8:
        return values.view(np.uint8)
    return (values // 257 + (values % 257 > 128)).astype(np.uint8)


def composite_on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Composites on white: ``white + (colour - white)·alpha``, rounded to nearest.

    Args:
        pixels: uint8 or uint16 ``[H, W, C]``.
        alpha: ``[H, W]`` of the same dtype, 0 = transparent.

    Returns:
        Opaque pixels of the same shape and dtype.
    """
    white = np.iinfo(pixels.dtype).max
    # The largest intermediate, white² + white/2, fits twice the bits of a sample.
    wide: Any = np.uint16 if pixels.dtype == np.uint8 else np.uint32
    result = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], _BAND_ROWS):  # bands keep the wide intermediates small
        rows = slice(top, top + _BAND_ROWS)
        opacity = alpha[rows, :, np.newaxis].astype(wide)
        result[rows] = (pixels[rows].astype(wide) * opacity + white * (white - opacity) + white // 2) // white
    return result


def cmyk_to_srgb(image: Any, icc: bytes | None) -> Any:
    """Converts a CMYK libvips image to sRGB.

    Args:
        image: 8-bit libvips image of interpretation ``cmyk``, with `icc` attached if there is one.
        icc: CMYK profile. If it is None or for another colour model, the conversion is
            ``(255 - ink)·(255 - black)/255``.

    Returns:
        An 8-bit libvips image of interpretation ``srgb``.
    """
    if icc is not None and icc[16:20] == b"CMYK":
        return image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
    inverted = image.linear([-1] * 4, [255] * 4)
    return ((inverted[:3] * inverted[3]) / 255).rint().cast("uchar").copy(interpretation="srgb")


def _upright(samples: Pixels, orientation: int) -> Pixels:
    """Undoes an EXIF orientation (Exif 2.3, tag 0x0112): 2 to 4 mirror, 5 to 8 also transpose."""
    if is_transposed(orientation):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples
