"""Interleaved samples to pictures: upright, colour and alpha apart, CMYK in sRGB."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.picture import Picture, Pixels


def picture_from_samples(
    samples: Pixels,
    *,
    icc: bytes | None = None,
    orientation: int = 1,
    dpi: tuple[float, float] | None = None,
    **fields: Any,
) -> Picture:
    """A picture from interleaved samples.

    Args:
        samples: uint8 or uint16 ``[H, W, C]``; C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        icc: profile of the samples; dropped when it is for another colour model than theirs.
        orientation: EXIF orientation 1 to 8, applied; anything else counts as 1.
        dpi: resolution of the samples as they lie.
        fields: of `Picture`, as they are.
    """
    samples = _upright(samples, orientation)
    if dpi is not None and orientation in (5, 6, 7, 8):
        dpi = dpi[1], dpi[0]
    colours = 1 if samples.shape[2] <= 2 else 3
    alpha = np.ascontiguousarray(samples[:, :, -1]) if samples.shape[2] != colours else None
    # Bytes 16-20 of a profile's header name the colour model of its device side (ICC.1, 7.2).
    if icc is not None and icc[16:20] != (b"GRAY" if colours == 1 else b"RGB "):
        icc = None
    return Picture(np.ascontiguousarray(samples[:, :, :colours]), alpha, icc, dpi=dpi, **fields)


def _upright(samples: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (Exif 2.3, tag 0x0112): 2-4 mirror, 5-8 also swap rows and columns."""
    if orientation in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


def cmyk_to_srgb(image: Any, icc: bytes | None) -> Any:
    """A CMYK libvips image in sRGB: through its profile, or as ``(255 - ink)·(255 - black)/255`` when it has none."""
    if icc is not None and icc[16:20] == b"CMYK":  # a profile for another colour model says nothing about these inks
        return image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
    paper = image.linear([-1] * 4, [255] * 4)
    return ((paper[:3] * paper[3]) / 255).rint().cast("uchar").copy(interpretation="srgb")
