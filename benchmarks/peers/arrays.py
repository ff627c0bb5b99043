"""Conversions between pixels and floats, and tiling, as scripts do them in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def batch_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts ``[height, width, 3]`` in 0..255 to ``[1, 3, height, width]`` in 0..1."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def pixels_of(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Converts ``[3, height, width]`` in 0..1 to ``[height, width, 3]`` in 0..255."""
    levels = (planes.transpose(1, 2, 0).clip(0, 1) * 255).round()
    return np.ascontiguousarray(levels.astype(np.uint8))


def run_in_tiles(
    pixels: NDArray[np.uint8], run: Callable[[NDArray[np.uint8]], NDArray], scale: int, *, tile: int, pad: int
) -> NDArray:
    """Runs a network on square tiles with padding, and crops and joins their results.

    Args:
        pixels: ``[height, width, 3]``.
        run: Takes a part ``[h, w, 3]`` and returns ``[h * scale, w * scale, 3]`` of any dtype.
        scale: Factor of the network.
        tile: Side of a tile without its padding, in input pixels.
        pad: Padding on each side inside the picture, in input pixels.

    Returns:
        ``[height * scale, width * scale, 3]`` of the dtype of `run`.
    """
    height, width, _ = pixels.shape
    whole = None
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            y, x = max(top - pad, 0), max(left - pad, 0)
            part = run(pixels[y : bottom + pad, x : right + pad])
            if whole is None:
                whole = np.empty((height * scale, width * scale, 3), part.dtype)
            inner = part[(top - y) * scale :, (left - x) * scale :]
            whole[top * scale : bottom * scale, left * scale : right * scale] = inner[
                : (bottom - top) * scale, : (right - left) * scale
            ]
    assert whole is not None
    return whole
