"""Preparation of transparent pictures for the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright._core import alpha_bleed

if TYPE_CHECKING:
    from tilewright.picture import Pixels


def bleed_colour(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """Replaces the colour of fully transparent pixels by that of the visible pixels next to them.

    The colour under alpha 0 is often black or white. Without this step the network would mix it
    into visible edges.

    Args:
        pixels: ``[H, W, C]``, C-contiguous. With 2 or 4 channels the last one is alpha.
        alpha: ``[H, W]`` of the same dtype, C-contiguous, for pixels of 1 or 3 channels; None if
            they have no alpha.

    Returns:
        `pixels` itself if nothing has to change, else a copy.
    """
    if alpha is None and pixels.shape[2] in (1, 3):
        return pixels
    opacity = pixels[:, :, -1] if alpha is None else alpha
    if opacity.min() > 0 or opacity.max() == 0:
        return pixels
    bled = pixels.copy()
    alpha_bleed(bled, alpha=None if alpha is None else alpha[:, :, None])
    return bled
