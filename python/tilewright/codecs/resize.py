"""Downscaling to arbitrary output sizes, from 16-bit samples.

The network's result is kept in 16 bits, whatever the picture's depth, and rounded to that depth
only after downscaling: 8-bit pixels are never resized. The filter is Lanczos-3, widened by the
reduction ratio so that it removes frequencies that the smaller grid cannot represent. It works on
the encoded (gamma) samples, as networks are trained on them. Factors 2 and 3 are treated the same
way (`tilewright.models.graph.rescale`). libvips applies the filter in float32 and rounds the
filter's phase to 1/64 of a pixel.

A convolution at the end of the graph cannot replace this: unless the ratio is one of small
integers, every output pixel needs a filter phase of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.libvips import vips

if TYPE_CHECKING:
    from tilewright.picture import Picture, Pixels

_WHITE_16 = 65535


def to_16_bit(picture: Picture) -> Picture:
    """Returns a 16-bit picture that gives a network the same floats as the original."""
    if picture.pixels.dtype == np.uint16:
        return picture
    alpha = None if picture.alpha is None else _widened(picture.alpha)
    return replace(picture, pixels=_widened(picture.pixels), alpha=alpha)


def downscale(picture: Picture, size: tuple[int, int], dtype: np.dtype[Any]) -> Picture:
    """Downscales a 16-bit picture and rounds it to a depth.

    With alpha, colour is filtered premultiplied, so that it counts as much as it is visible.

    Args:
        picture: uint16 picture, no smaller than `size`.
        size: Width and height of the result in pixels.
        dtype: Sample type of the result, uint8 or uint16.

    Returns:
        The picture with new pixels and alpha and a resolution that keeps the printed size.
    """
    image = _vips_image(picture.pixels)
    if picture.alpha is not None:
        image = image.bandjoin(_vips_image(picture.alpha[:, :, np.newaxis])).premultiply(max_alpha=_WHITE_16)
    width, height = size
    # gap=0 disables the box filter that libvips otherwise applies first for speed.
    image = image.resize(width / picture.width, vscale=height / picture.height, kernel="lanczos3", gap=0)
    if picture.alpha is not None:
        image = image.unpremultiply(max_alpha=_WHITE_16)
    white = np.iinfo(dtype).max
    # rint rounds to nearest; cast alone would truncate. cast also clips.
    samples = (image * (white / _WHITE_16)).rint().cast("uchar" if dtype == np.uint8 else "ushort").numpy()
    samples = samples.reshape(height, width, -1)
    channels = picture.pixels.shape[2]
    alpha = None if picture.alpha is None else np.ascontiguousarray(samples[:, :, channels])
    return picture.enlarged(np.ascontiguousarray(samples[:, :, :channels]), alpha)


def _widened(values: Pixels) -> Pixels:
    return values.astype(np.uint16) * np.uint16(257)


def _vips_image(values: Pixels) -> Any:
    height, width, bands = values.shape
    image = vips().Image.new_from_memory(np.ascontiguousarray(values).data, width, height, bands, "ushort")
    return image.cast("float")
