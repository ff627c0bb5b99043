"""A picture in memory: pixels and what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Pixels, upright, with their transparency and colour space.

    Attributes:
        pixels: uint8 or uint16 ``[H, W, C]``, C-contiguous, C = 1 (grey) or 3 (RGB); may be read-only.
        alpha: ``[H, W]`` of the same dtype, C-contiguous, 0 = transparent; None when the picture has no alpha.
        icc: the ICC profile the pixels are in; None means sRGB (or plain grey).
        source_format: what the picture came from, ``"PNG"``, ``"JPG"``, ``"WEBP"``, ``"GIF"``, ``"array"`` or
            ``"Pillow"``.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    source_format: str = "array"

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])
