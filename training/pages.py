"""Synthetic training pictures: pages of text, and collages of drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

_WORDS = "the quick brown fox jumps over a lazy dog 0123456789 Exit Hotel Cafe No. 5 % & @ AVENUE 1987 km/h"

# Smallest and largest size of a drawing, as a share of the side of the page.
_SMALLEST, _LARGEST = 0.15, 0.5

# Larger drawings are skipped, because they are slow to read; there are few of them.
_MAX_PIXELS = 16_000_000


def draw_text_page(rng: np.random.Generator, side: int = 1024) -> Image.Image:
    """Draws lines of words in random sizes and colours on a plain background."""
    background, *inks = (_random_colour(rng) for _ in range(4))
    page = Image.new("RGB", (side, side), background)
    draw = ImageDraw.Draw(page)
    top = 8
    while top < side:
        size = int(rng.integers(14, 90))
        line = " ".join(rng.choice(_WORDS.split(), 12))
        draw.text((int(rng.integers(-40, 20)), top), line, inks[rng.integers(3)], ImageFont.load_default(size))
        top += round(1.3 * size)
    return page


def draw_collage(rng: np.random.Generator, drawings: Sequence[Path], side: int = 1536) -> Image.Image:
    """Pastes random drawings with alpha over one another, on a vertical gradient.

    Args:
        rng: Source of randomness.
        drawings: Files to choose from.
        side: Side of the page in pixels.
    """
    light = Image.linear_gradient("L").resize((side, side))
    page = Image.composite(*(Image.new("RGB", (side, side), _random_colour(rng)) for _ in range(2)), light)
    # Twice the area of the page, counted by bounding boxes, leaves little of the background.
    covered = 0.0
    while covered < 2 * side**2:
        with Image.open(drawings[rng.integers(len(drawings))]) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                continue
            drawing = opened.convert("RGBA")
        length = round(side * float(rng.uniform(_SMALLEST, _LARGEST)))
        drawing = drawing.crop(drawing.getbbox(alpha_only=True))
        # `thumbnail` never enlarges: an enlarged drawing would be blurred among sharp ones.
        drawing.thumbnail((length, length), Image.Resampling.LANCZOS)
        left, top = (int(rng.integers(-size // 3, side - 2 * size // 3)) for size in drawing.size)
        page.paste(drawing, (left, top), drawing)
        covered += drawing.width * drawing.height
    return page


def _random_colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(0, 256, 3).tolist())
