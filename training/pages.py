"""Pages that are put together here: words, and drawings cut out and strewn over a ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

_WORDS = "the quick brown fox jumps over a lazy dog 0123456789 Exit Hotel Cafe No. 5 % & @ AVENUE 1987 km/h"

# Drawings on a page are this long, as shares of its side.
_SMALLEST, _LARGEST = 0.15, 0.5

# Drawings of more pixels than this are left out: they are slow to read, and few.
_MOST_PIXELS = 16_000_000


def draw_lettering(rng: np.random.Generator, side: int = 1024) -> Image.Image:
    """Words of many sizes and colours on plain ground."""
    ground, *inks = (_colour(rng) for _ in range(4))
    page = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(page)
    top = 8
    while top < side:
        size = int(rng.integers(14, 90))
        line = " ".join(rng.choice(_WORDS.split(), 12))
        draw.text((int(rng.integers(-40, 20)), top), line, inks[rng.integers(3)], ImageFont.load_default(size))
        top += round(1.3 * size)
    return page


def strew_drawings(rng: np.random.Generator, drawings: Sequence[Path], side: int = 1536) -> Image.Image:
    """Drawings with alpha, large and small, one over the other, on a ground that changes from top to bottom."""
    light = Image.linear_gradient("L").resize((side, side))
    page = Image.composite(*(Image.new("RGB", (side, side), _colour(rng)) for _ in range(2)), light)
    # By their frames twice the page, which leaves little of the ground.
    covered = 0.0
    while covered < 2 * side**2:
        with Image.open(drawings[rng.integers(len(drawings))]) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                continue
            drawing = opened.convert("RGBA")
        length = round(side * float(rng.uniform(_SMALLEST, _LARGEST)))
        drawing = drawing.crop(drawing.getbbox(alpha_only=True))
        # Only ever smaller: enlarged ones would be soft where the others are sharp.
        drawing.thumbnail((length, length), Image.Resampling.LANCZOS)
        left, top = (int(rng.integers(-size // 3, side - 2 * size // 3)) for size in drawing.size)
        page.paste(drawing, (left, top), drawing)
        covered += drawing.width * drawing.height
    return page


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(0, 256, 3).tolist())
