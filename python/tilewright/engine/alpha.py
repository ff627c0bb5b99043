"""What transparency needs before the network and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright._core import alpha_bleed

if TYPE_CHECKING:
    from tilewright.picture import Pixels

FLAT_RADIUS = 2
"""Where all alpha within so many input pixels is the same, so it is in the result.

A network moves an edge by less than a pixel. What it does to alpha further from one is no detail: two pixels from the
edges of a sprite the networks of the catalog are 2 or 3 steps of 255 off, and SPAN leaves specks of up to 255 beside
edges that are not smooth.
"""


def with_bled_colour(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """Pixels whose colour under alpha 0 comes from what is visible next to it.

    What lies hidden there, often black or white, would be mixed into the edges of what is visible.

    Args:
        pixels: ``[H, W, C]``, C-contiguous; with 2 or 4 channels the last one is alpha.
        alpha: ``[H, W]`` of the same dtype, C-contiguous, for pixels of 1 or 3 channels that have one.

    Returns:
        `pixels`, or a copy where something had to change.
    """
    if alpha is None and pixels.shape[2] in (1, 3):
        return pixels
    opacity = pixels[:, :, -1] if alpha is None else alpha
    if opacity.min() > 0 or opacity.max() == 0:
        return pixels
    bled = pixels.copy()
    alpha_bleed(bled, alpha=None if alpha is None else alpha[:, :, None])
    return bled
