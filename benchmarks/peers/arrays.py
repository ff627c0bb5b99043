"""What scripts round a network do by NumPy: pixels to floats and back, and the loop over tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def batch_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """``[H, W, 3]`` of 0..255 to ``[1, 3, H, W]`` of 0..1."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def pixels_of(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``[3, H, W]`` of 0..1 to ``[H, W, 3]`` of 0..255."""
    levels = (planes.transpose(1, 2, 0).clip(0, 1) * 255).round()
    return np.ascontiguousarray(levels.astype(np.uint8))


def tiled(
    pixels: NDArray[np.uint8], run: Callable[[NDArray[np.uint8]], NDArray], scale: int, *, tile: int, pad: int
) -> NDArray:
    """Square tiles, each with `pad` pixels of its surroundings, which are cut off its result.

    Args:
        pixels: ``[H, W, 3]``.
        run: makes ``[h * scale, w * scale, 3]`` of a part ``[h, w, 3]``; its dtype is that of the whole.
        scale: the network's.
        tile: side of what is kept of a tile, in input pixels.
        pad: in input pixels.
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
