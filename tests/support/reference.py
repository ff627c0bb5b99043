"""Reference implementations of the kernels in NumPy. The kernels must give the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tilewright import _core

F32 = np.float32


def mirrored_indices(origin: int, length: int, size: int) -> np.ndarray:
    """Returns the source index of positions [origin, origin + length) along an axis of ``size`` pixels."""
    excess = max(0, origin + length - size)
    line = np.pad(np.arange(size), (0, excess), mode="edge" if size == 1 else "reflect")
    return line[origin : origin + length]


def gather(
    picture: np.ndarray,
    plan: _core.TilePlan,
    index: int,
    channels: tuple[int, ...],
    value_range: tuple[float, float],
) -> np.ndarray:
    """Returns one tile of ``picture`` [H,W,C] as float32 [planes, tile_height, tile_width]."""
    tile = plan[index]
    ys = mirrored_indices(tile.y.origin, plan.tile_height, plan.height)
    xs = mirrored_indices(tile.x.origin, plan.tile_width, plan.width)
    pixels = picture[ys][:, xs][:, :, list(channels)].astype(F32)
    black, white = map(F32, value_range)
    values = pixels / F32(np.iinfo(picture.dtype).max) * (white - black) + black
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def ramp(length: int) -> np.ndarray:
    """Returns the feather weights: smoothstep at pixel centres, float32 [length]."""
    t = (np.arange(length, dtype=F32) + F32(0.5)) / F32(length)
    return t * t * (F32(3) - F32(2) * t)


def quantise(values: np.ndarray, dtype: Any, value_range: tuple[float, float]) -> np.ndarray:
    """Converts network values to samples: clamps, rounds to nearest even and turns NaN into 0."""
    top = F32(np.iinfo(dtype).max)
    black, white = map(F32, value_range)
    with np.errstate(invalid="ignore"):
        level = (values - black) * (top / (white - black))
    return np.rint(np.clip(np.nan_to_num(level, nan=0.0, posinf=top, neginf=0.0), 0, top)).astype(dtype)


def shuffle(head: np.ndarray, scale: int, base: np.ndarray | None = None) -> np.ndarray:
    """Applies a pixel shuffle and adds ``base`` [planes, h, w].

    Args:
        head: Result before the shuffle, [planes * scale², h, w].
        scale: Factor of the shuffle.
        base: The network's input, or None to add nothing.

    Returns:
        float32 [planes, h * scale, w * scale].
    """
    planes, height, width = len(head) // scale**2, *head.shape[1:]
    parts = head.astype(F32).reshape(planes, scale, scale, height, width).transpose(0, 3, 1, 4, 2)
    whole = parts.reshape(planes, height * scale, width * scale)
    return whole if base is None else whole + base.repeat(scale, 1).repeat(scale, 2)


def blend(plan: _core.TilePlan, scale: int, results: list[np.ndarray]) -> np.ndarray:
    """Blends all results [planes,h,w], first by columns, then by rows. Returns floats [planes,H,W]."""
    planes = results[0].shape[0]
    whole = np.zeros((planes, plan.height * scale, plan.width * scale), F32)
    fade = ramp(plan.feather * scale)
    for row in range(plan.rows):
        y = plan[row * plan.columns].y
        first, last, top = y.begin * scale, (y.end + y.trail) * scale, y.origin * scale
        strip = np.zeros((planes, last - first, plan.width * scale), F32)
        for column in range(plan.columns):
            index = row * plan.columns + column
            x = plan[index].x
            left, right, origin = x.begin * scale, (x.end + x.trail) * scale, x.origin * scale
            values = results[index].astype(F32)[:, first - top : last - top, left - origin : right - origin].copy()
            lead = x.lead * scale
            if lead:
                before = strip[:, :, left : left + lead]
                values[:, :, :lead] = before + fade * (values[:, :, :lead] - before)
            strip[:, :, left:right] = values
        lead = y.lead * scale
        if lead:
            above = whole[:, first : first + lead]
            strip[:, :lead] = above + fade[:, None] * (strip[:, :lead] - above)
        whole[:, first:last] = strip
    return whole


def png_bytes(pixels: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """Returns pixels [H,W,C], and ``alpha`` [H,W] as another channel, as big-endian bytes [H, n]."""
    whole = pixels if alpha is None else np.dstack([pixels, alpha])
    return whole.astype(whole.dtype.newbyteorder(">")).reshape(len(whole), -1).view(np.uint8)


def png_predictions(row: np.ndarray, above: np.ndarray, pixel: int) -> list[np.ndarray]:
    """Returns the predictions of the five filters (PNG specification, third edition, clause 9)."""
    row, b = row.astype(int), above.astype(int)
    a, c = (np.concatenate([np.zeros(pixel, int), line])[: len(line)] for line in (row, b))
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    paeth = np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))
    return [np.zeros_like(a), a, b, (a + b) // 2, paeth]


def png_filter(rows: np.ndarray, above: np.ndarray, pixel: int) -> np.ndarray:
    """Filters rows of bytes [H, n] with ``pixel`` bytes per pixel. Returns [H, 1 + n]."""
    filtered = []
    for row in rows:
        candidates = [(row - predicted).astype(np.uint8) for predicted in png_predictions(row, above, pixel)]
        best = int(np.argmin([abs(each.view(np.int8).astype(int)).sum() for each in candidates]))
        filtered.append(np.concatenate([[np.uint8(best)], candidates[best]]))
        above = row
    return np.array(filtered)


def alpha_bleed(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Replaces ``colour`` [H,W,C] where ``alpha`` [H,W] is 0, ring by ring, with neighbours' means."""
    values, weights = colour.astype(int), alpha.astype(int)
    height, width = alpha.shape
    filled = alpha > 0
    while filled.any() and not filled.all():
        weights = np.where(filled, weights, 0)
        around = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
        shares, shown = np.pad(weights, 1), np.pad(values, ((1, 1), (1, 1), (0, 0)))
        total = sum(shares[y : y + height, x : x + width] for y, x in around)
        sums = sum((shares[..., None] * shown)[y : y + height, x : x + width] for y, x in around)
        ring = ~filled & (total > 0)
        values[ring] = (sums[ring] + total[ring, None] // 2) // total[ring, None]
        filled |= ring
        weights = np.ones_like(weights)
    return values.astype(colour.dtype)


def flat_around(alpha: np.ndarray, radius: int) -> np.ndarray:
    """Returns whether ``alpha`` [H,W] is constant within ``radius`` of each pixel along both axes."""
    padded = np.pad(alpha, radius, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))
    return windows.min((2, 3)) == windows.max((2, 3))
