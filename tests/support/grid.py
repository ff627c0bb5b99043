"""The grid of types, ranges, sizes and plans that the kernel tests share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tilewright import _core

ISAS = _core.available_isas()
SAMPLES = [np.uint8, np.uint16]
ELEMENTS = [np.float32, np.float16]
VALUE_RANGES = [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)]

# Widths around the vector sizes of every instruction set and type, and around one and two chunks of
# 256 pixels.
WIDTHS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 255, 256, 257, 500]


def random_picture(height: int, width: int, channels: int, dtype: type, seed: int = 0, padding: int = 0) -> np.ndarray:
    """Returns random samples [H,W,C]. Rows are padded by ``padding`` pixels."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, np.iinfo(dtype).max, (height, width + padding, channels), dtype, endpoint=True)
    return wide[:, :width]


@st.composite
def plans(draw: st.DrawFn, longest: int = 300) -> _core.TilePlan:
    """Draws a valid plan for a picture of up to ``longest`` pixels in width and height."""
    halo = draw(st.integers(0, 20))
    feather = draw(st.integers(0, 12))
    multiple = draw(st.sampled_from([1, 1, 2, 4, 8]))
    smallest = _core.TilePlan.smallest_tile(halo=halo, feather=feather, multiple=multiple)

    # Tiles may exceed the picture, but not by far: a result has up to 192 elements per pixel of a tile.
    most = 2 * longest // multiple

    def tile() -> int:
        return min(draw(st.integers(0, 12)) ** 2, most) * multiple + smallest

    return _core.TilePlan(
        draw(st.integers(1, longest)),
        draw(st.integers(1, longest)),
        tile_width=tile(),
        tile_height=tile(),
        halo=halo,
        feather=feather,
        multiple=multiple,
    )
