"""Arbitrary output sizes: the smallest sufficient factor, and the size to downscale to."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, get_args

from tilewright.errors import TilewrightError
from tilewright.literals import Fit

if TYPE_CHECKING:
    from collections.abc import Sequence


def final_size(width: int, height: int, size: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Returns width and height of a result in pixels.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        size: Requested width and height.
        fit: ``"exact"`` to return `size`; ``"inside"`` to return the largest size within `size`
            that keeps the picture's aspect ratio.

    Raises:
        TilewrightError: `size` is not a pair of positive integers, or `fit` is unknown.
    """
    if fit not in get_args(Fit):
        raise TilewrightError(f"fit must be one of {', '.join(get_args(Fit))}, not {fit!r}", parameter="fit")
    max_width, max_height = _pair(size)
    if fit == "exact":
        return max_width, max_height
    # Integer products are exact, so the tighter side is determined without rounding.
    if max_width * height <= max_height * width:
        return max_width, max(1, round(height * max_width / width))
    return max(1, round(width * max_height / height)), max_height


def _pair(size: Any) -> tuple[int, int]:
    """Returns a size as Python integers, whatever sequence of whatever integers was given."""
    try:
        width, height = (operator.index(side) for side in size if not isinstance(side, bool))
    except (TypeError, ValueError):
        width = height = 0
    if isinstance(size, (str, bytes)) or min(width, height) < 1:
        raise TilewrightError(
            f"size must be a width and a height, both positive integers, not {size!r}", parameter="size"
        )
    return width, height


def smallest_factor(width: int, height: int, size: tuple[int, int], offered: Sequence[int]) -> int:
    """Returns the smallest factor whose result is at least as large as a size.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        size: Width and height of the final result.
        offered: Factors that the network offers.

    Raises:
        TilewrightError: No offered factor is sufficient.
    """
    for factor in sorted(offered):
        if width * factor >= size[0] and height * factor >= size[1]:
            return factor
    largest = max(offered)
    raise TilewrightError(
        f"size {size[0]} x {size[1]} is more than {largest} times {width} x {height}, the largest factor of the "
        f"network; at most {width * largest} x {height * largest}",
        parameter="size",
    )
