"""Motifs that are drawn: no free screenshot, line art or manga was at hand. Coordinates are input pixels."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Point = tuple[float, float] | NDArray[np.float64]

# Side of all motifs, in pixels.
SIDE = 160

_INK = "#141414"

# Drawings are made this many times as large, and then reduced.
_OVERSAMPLING = 8

_STEPS = 24


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Returns one of the fonts that Matplotlib contains."""
    import matplotlib as mpl

    return ImageFont.truetype(f"{mpl.get_data_path()}/fonts/ttf/{name}.ttf", size)


def screenshot() -> Image.Image:
    """A dialogue with small text, drawn pixel by pixel as a screen shows it."""
    picture = Image.new("RGB", (SIDE, SIDE), "#f6f7f9")
    draw = ImageDraw.Draw(picture)
    plain, bold, blue, grey = font("DejaVuSans", 11), font("DejaVuSans-Bold", 11), "#1a73e8", "#9aa5b1"
    draw.rectangle((0, 0, 159, 21), fill="#2f3b4c")
    draw.text((8, 4), "Export picture", font=bold, fill="white")
    draw.text((142, 4), "×", font=bold, fill="#d5dbe3")
    draw.text((8, 29), "File name", font=plain, fill="#222")
    draw.rectangle((8, 45, 151, 63), fill="white", outline=grey)
    draw.text((13, 49), "holiday-2024.png", font=font("DejaVuSansMono", 10), fill="#111")
    draw.text((8, 70), "Quality: 95 %  (Best)", font=plain, fill="#222")
    draw.rectangle((8, 87, 151, 90), fill="#d0d6dd")
    draw.rectangle((8, 87, 136, 90), fill=blue)
    draw.ellipse((131, 83, 141, 93), fill=blue)
    draw.rectangle((8, 101, 19, 112), fill="white", outline=blue)
    draw.line((10, 106, 13, 109, 17, 103), fill=blue, width=2)
    draw.text((24, 100), "Keep the date taken", font=plain, fill="#222")
    draw.text((8, 118), "3 files, 12.8 MB", font=font("DejaVuSans", 9), fill="#68737f")
    draw.rounded_rectangle((34, 134, 88, 153), 4, outline=grey, fill="white")
    draw.text((42, 137), "Cancel", font=plain, fill="#222")
    draw.rounded_rectangle((94, 134, 151, 153), 4, fill=blue)
    draw.text((105, 137), "Export", font=plain, fill="white")
    return picture


def line_art() -> Image.Image:
    """A bird on a branch, in lines of different widths."""
    pen = _Pen()
    pen.line([(4, 128), (50, 120), (100, 124), (158, 112)], 4, tapered=False)
    pen.line([(4, 134), (50, 127), (100, 131), (158, 120)], 1.2)
    body = [(38, 62), (46, 48), (60, 42), (74, 46), (84, 58), (104, 74), (122, 94)]
    pen.shape([*body, (112, 106), (90, 116), (66, 114), (46, 98), (38, 80)], "white", outline=2)
    pen.line([(38, 60), (24, 64), (38, 70)], 1.6)
    pen.shape([(56, 57), (59, 54), (62, 57), (59, 60)], _INK)
    for i in range(6):
        pen.line([(66 + i * 3, 72 + i * 3), (84 + i * 3, 76 + i * 4), (100 + i * 3, 92 + i * 2.4)], 1)
    for i in range(9):
        pen.line([(48 + i * 4, 84 + i * 2.4), (52 + i * 4, 88 + i * 2.4), (50 + i * 4, 92 + i * 2)], 0.8)
    for i in range(5):
        pen.line([(112, 96 + i * 2), (132, 102 + i * 4), (150, 98 + i * 7)], 1.3)
    pen.line([(68, 114), (66, 122)], 1.6)
    pen.line([(82, 116), (84, 123)], 1.6)
    for x, y, angle in ((20, 118, -1.1), (34, 116, -1.9), (118, 112, -0.9), (140, 110, -1.6), (128, 126, 0.9)):
        _leaf(pen, np.array([x, y], np.float64), angle)
    pen.line([(100, 20), (120, 12), (142, 18)], 1)
    pen.line([(106, 28), (124, 22), (150, 30)], 1)
    return pen.picture()


def manga() -> Image.Image:
    """A face, black hair, a speech bubble and screentone, in black on white."""
    pen = _Pen()
    for row in range(64):
        y = row * 1.4
        for column in range(64):
            pen.dot((column * 2.8 + row % 2 * 1.4, y), 0.2 + y / 130)
    _head(pen)
    for x in (62, 94):
        _eye(pen, x)
    pen.line([(78, 104), (76, 109), (79, 110)], 1)
    pen.line([(71, 119), (78, 122), (85, 118)], 1.2)
    for i in range(5):
        for x in (50, 100):
            pen.line([(x + i * 2, 110), (x - 2 + i * 2, 114)], 0.7)
    pen.line([(68, 130), (66, 146), (40, 158)], 1.5)
    pen.line([(88, 130), (90, 146), (118, 158)], 1.5)
    for row in range(8):
        for column in range(11):
            pen.dot((68 + column * 2 + row % 2, 136 + row * 2), 0.5)
    pen.shape([(122, 42), (112, 58), (132, 48)], "white", smooth=False)
    bubble = [(118, 12), (136, 4), (152, 10), (157, 28), (150, 44), (134, 50), (118, 42), (112, 28)]
    pen.shape(bubble, "white", outline=1.3)
    picture = pen.picture()
    ImageDraw.Draw(picture).multiline_text(
        (135, 27), "Wait…\nwhat?!", font=font("DejaVuSans-Bold", 9), fill=_INK, anchor="mm", align="center", spacing=1
    )
    return picture


def _leaf(pen: _Pen, stem: NDArray[np.float64], angle: float) -> None:
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    pen.shape([stem, stem + 10 * along + 5 * across, stem + 24 * along, stem + 10 * along - 5 * across], "white", 1.3)
    pen.line([stem, stem + 20 * along], 0.8)
    for place in (6, 10, 14):
        for side in (3, -3):
            pen.line([stem + place * along, stem + (place + 4) * along + side * across], 0.6)


def _head(pen: _Pen) -> None:
    hair = [(30, 60), (40, 30), (78, 14), (118, 30), (128, 62), (126, 112), (112, 120), (110, 70), (46, 70), (44, 120)]
    pen.shape([*hair, (30, 112)], _INK)
    chin = [(44, 70), (46, 98), (60, 122), (78, 132), (96, 122), (110, 98), (112, 70), (98, 46), (58, 46)]
    pen.shape(chin, "white", outline=1.4)
    for left, right, tip in ((34, 58, 84), (48, 66, 80), (62, 74, 82), (80, 84, 80), (96, 92, 82), (112, 102, 82)):
        pen.shape([(left, 34), (left + 10, 36), (right + 3, tip - 18), (right, tip)], _INK, smooth=False)
    for x in (40, 56, 72, 88, 104):
        pen.line([(x + 4, 34), (x + 8, 44), (x + 6, 56)], 1, ink="white")


def _eye(pen: _Pen, x: float) -> None:
    pen.line([(x - 11, 88), (x, 79), (x + 11, 88)], 2.6)
    pen.shape([(x - 6, 86), (x, 82), (x + 6, 86), (x + 6, 98), (x, 104), (x - 6, 98)], "#222")
    pen.shape([(x - 3, 100), (x, 94), (x + 4, 99), (x, 103)], "#888")
    pen.shape([(x - 5, 86.5), (x - 3, 84), (x - 1, 86.5), (x - 3, 89)], "white")
    pen.line([(x - 7, 106), (x, 108), (x + 7, 105)], 0.9)
    pen.line([(x - 10, 75), (x, 71), (x + 10, 74)], 1.4)


class _Pen:
    """Draws smooth lines and shapes through points."""

    def __init__(self) -> None:
        self._large = Image.new("RGB", (SIDE * _OVERSAMPLING, SIDE * _OVERSAMPLING), "white")
        self._draw = ImageDraw.Draw(self._large)

    def dot(self, centre: Point, radius: float, ink: str = _INK) -> None:
        x, y, r = (value * _OVERSAMPLING for value in (*centre, radius))
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)

    def line(self, points: Sequence[Point], width: float, *, ink: str = _INK, tapered: bool = True) -> None:
        curve = _curve(points)
        before = curve[0]
        for number, point in enumerate(curve):
            share = 0.45 + 0.55 * math.sin(math.pi * number / (len(curve) - 1)) if tapered else 1
            self.dot((point[0], point[1]), width * share / 2, ink)
            ends = np.concatenate([before, point]) * _OVERSAMPLING
            self._draw.line(tuple(map(float, ends)), fill=ink, width=round(width * share * _OVERSAMPLING))
            before = point

    def shape(self, points: Sequence[Point], fill: str, outline: float | None = None, *, smooth: bool = True) -> None:
        closed = [*points, points[0]]
        curve = _curve(closed) if smooth else np.array(closed, np.float64)
        self._draw.polygon([(float(x), float(y)) for x, y in curve * _OVERSAMPLING], fill=fill)
        if outline is not None:
            self.line(closed, outline, tapered=False)

    def picture(self) -> Image.Image:
        return self._large.reduce(_OVERSAMPLING)


def _curve(points: Sequence[Point]) -> NDArray[np.float64]:
    """Returns a Catmull-Rom spline through the points, as rows of x and y."""
    given = np.array([points[0], *points, points[-1]], np.float64)
    t = np.linspace(0, 1, _STEPS)[:, None]
    parts = []
    for a, b, c, d in zip(given, given[1:], given[2:], given[3:], strict=False):
        parts.append((2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3) / 2)
    return np.concatenate(parts)
