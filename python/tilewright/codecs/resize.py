"""Results of any size: of the least factor that is enough, brought down to it.

The network's result is taken in 16 bits, whatever the picture has, and rounded to the picture's depth only when it has
its size: 8-bit pixels are never resized. The filter is Lanczos-3, widened by the reduction ratio so that it removes
what the smaller grid cannot hold, as for factors 2 and 3 (`tilewright.models.graph.rescale`), and as there on the
samples as they are encoded, which is how networks are trained to enlarge them. libvips applies it in float32, at the
nearest of 64 positions between two pixels. A convolution at the end of a graph cannot do this: unless the ratio is one
of small integers, every output pixel needs its own filter phase.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from tilewright.codecs import vips
from tilewright.errors import TilewrightError
from tilewright.literals import Fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright.picture import Picture, Pixels

_DEEP_WHITE = 65535


def final_size(width: int, height: int, size: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Width and height of the result of a picture.

    Args:
        width: of the picture, in pixels.
        height: likewise.
        size: wanted width and height.
        fit: ``"exact"`` for just that; ``"inside"`` for the largest in it with the picture's proportions.

    Raises:
        TilewrightError: a size that is not two whole numbers from 1, or an unknown `fit`.
    """
    if fit not in get_args(Fit):
        raise TilewrightError(f"fit must be one of {', '.join(get_args(Fit))}, not {fit!r}", parameter="fit")
    whole = isinstance(size, (tuple, list)) and all(type(side) is int and side >= 1 for side in size)
    if not whole or len(size) != 2:
        raise TilewrightError(
            f"size must be a width and a height, whole numbers from 1, not {size!r}", parameter="size"
        )
    wanted_width, wanted_height = size
    if fit == "exact":
        return wanted_width, wanted_height
    # Compared as products: whole numbers leave no doubt which side is the tighter one.
    if wanted_width * height <= wanted_height * width:
        return wanted_width, max(1, round(height * wanted_width / width))
    return max(1, round(width * wanted_height / height)), wanted_height


def least_factor(width: int, height: int, size: tuple[int, int], offered: Sequence[int]) -> int:
    """The smallest factor whose result holds a size.

    Raises:
        TilewrightError: the size is beyond all of them.
    """
    for factor in sorted(offered):
        if width * factor >= size[0] and height * factor >= size[1]:
            return factor
    most = max(offered)
    raise TilewrightError(
        f"size {size[0]} x {size[1]} is more than {most} times {width} x {height}, which is all that the network "
        f"offers; at most {width * most} x {height * most}",
        parameter="size",
    )


def deepened(picture: Picture) -> Picture:
    """A picture in 16 bits, of the same meaning: a network is given the same floats for it."""
    if picture.pixels.dtype == np.uint16:
        return picture
    alpha = None if picture.alpha is None else _deep(picture.alpha)
    return replace(picture, pixels=_deep(picture.pixels), alpha=alpha)


def resized(picture: Picture, size: tuple[int, int], dtype: np.dtype[Any]) -> Picture:
    """A picture of 16 bits brought down to a size and a depth.

    Args:
        picture: uint16, no smaller than `size`.
        size: width and height.
        dtype: uint8 or uint16.
    """
    image = _vips_image(picture.pixels)
    if picture.alpha is not None:
        # Weighted by alpha, so that colour counts as much as it shows.
        image = image.bandjoin(_vips_image(picture.alpha[:, :, np.newaxis])).premultiply(max_alpha=_DEEP_WHITE)
    width, height = size
    # A gap of 0 keeps libvips from taking means of whole pixels first, which is quicker and not the same filter.
    image = image.resize(width / picture.width, vscale=height / picture.height, kernel="lanczos3", gap=0)
    if picture.alpha is not None:
        image = image.unpremultiply(max_alpha=_DEEP_WHITE)
    white = np.iinfo(dtype).max
    # libvips rounds to nearest when it is asked to, and clips when it converts.
    samples = (image * (white / _DEEP_WHITE)).rint().cast("uchar" if dtype == np.uint8 else "ushort").numpy()
    samples = samples.reshape(height, width, -1)
    channels = picture.pixels.shape[2]
    alpha = None if picture.alpha is None else np.ascontiguousarray(samples[:, :, channels])
    return picture.enlarged(np.ascontiguousarray(samples[:, :, :channels]), alpha)


def _deep(values: Pixels) -> Pixels:
    return values.astype(np.uint16) * np.uint16(257)


def _vips_image(values: Pixels) -> Any:
    height, width, bands = values.shape
    image = vips().Image.new_from_memory(np.ascontiguousarray(values).data, width, height, bands, "ushort")
    return image.cast("float")
