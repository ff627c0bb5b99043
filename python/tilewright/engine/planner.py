"""How a picture is cut into tiles: policy, over the geometry of `TilePlan`."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright._core import TilePlan
from tilewright.engine.host.pipeline import SLOTS
from tilewright.errors import ModelError, TilewrightError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright.engine.sessions import Session
    from tilewright.models.spec import ModelSpec

# More is not taken unless asked for: a program that upscales is seldom alone on its machine.
_LARGEST_DEFAULT_BUDGET = 4 * 2**30

# Beyond this memory a redundancy of up to this is put up with. What a tile needs grows with its area, what its halo
# costs shrinks with its side: with a halo of 18, tiles of 0.5 megapixels take a tenth more time than a whole picture,
# and tiles of 5 megapixels, of ten times the memory, a thirtieth.
_MODEST_MEMORY = 448 * 2**20
_SLIGHT_REDUNDANCY = 1.10

# What running a tile costs beside its pixels, as pixels: calls, threads that wait for each other.
_PIXELS_PER_RUN = 1000

# Numbers of columns and rows that are tried: each up to this, then in steps of a part of so many.
_STEPS = 16

# Narrower pictures are mirrored up to this: networks see zeros beyond the border, and with zeros on all sides at once
# they invent colours. A flat grey pixel alone came out up to 155 of 255 levels off, with this at most 4.
_NARROWEST = 16


@dataclass(frozen=True, slots=True)
class Demand:
    """Memory that a job takes beyond its input and, where that is wanted whole, its result.

    Attributes:
        tile_pixel: bytes for each input pixel of a tile: activations, and the buffers of the tiles on their way.
        band_pixel: bytes for each output pixel of a band; 0 where rows go straight into whole arrays.
    """

    tile_pixel: float
    band_pixel: float = 0.0

    @classmethod
    def of(cls, session: Session, *, band_pixel: float) -> Demand:
        """That of a network on its way: what it holds itself, and the batches and results of two tiles."""
        planes = 1 if session.spec.channel_order == "Y" else 3
        shape = (1, planes, 8, 8)
        result = session.new_result(shape)
        buffers = (4 * math.prod(shape) + result.nbytes) / math.prod(shape[2:])
        return cls(session.activation_bytes + SLOTS * buffers, band_pixel)

    def bytes_for(self, tile_width: int, tile_height: int, width: int, scale: int) -> int:
        """Most bytes at once, for tiles of a size in a picture of a width; a band is no higher than a tile."""
        band = tile_height * scale * width * scale * self.band_pixel
        return int(tile_width * tile_height * self.tile_pixel + band)


def default_memory_budget() -> int:
    """Bytes that a job may take unless told otherwise: a quarter of the memory, half of what is free, at most 4 GiB."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this platform
        return _LARGEST_DEFAULT_BUDGET // 2
    # A container may have less than the machine: the limit of its control group (version 2), "max" for none.
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    budget = min(_LARGEST_DEFAULT_BUDGET, memory // 4)
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
        budget = min(budget, free // 2)
    return budget


def check_limits(tile: int | None, memory_budget: int | None) -> None:
    """Refuses what `plan_tiles` cannot plan with.

    Raises:
        TilewrightError: one of them is no positive integer.
    """
    for name, value in (("tile", tile), ("memory_budget", memory_budget)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise TilewrightError(f"{name} must be a positive integer, not {value!r}", parameter=name)


def plan_tiles(
    width: int,
    height: int,
    spec: ModelSpec,
    *,
    demand: Demand | None = None,
    tile: int | None = None,
    memory_budget: int | None = None,
) -> TilePlan:
    """Plans a picture: in the least time that the memory budget allows, or in little more with less memory.

    All tiles have one shape. For a network that is not exact the whole picture is one tile where the budget allows it.

    Args:
        width: of the picture, in pixels.
        height: likewise.
        spec: the network's.
        demand: the memory that is counted; by default ``spec.bytes_per_pixel``.
        tile: fixes width and height of the tiles (raised to the least the network needs); None to choose.
        memory_budget: bytes that the demand may come to; None for `default_memory_budget`. A budget below the smallest
            possible tile gives the smallest tile.

    Raises:
        ModelError: a network of fixed size that is too small for its own halo.
        TilewrightError: `tile` or `memory_budget` is no positive integer.
    """
    check_limits(tile, memory_budget)
    if spec.fixed_size is not None:
        return _fixed_plan(width, height, spec, spec.fixed_size)
    if tile is not None:
        wanted = _round_up(max(tile, _smallest_tile(spec)), spec.multiple_of)
        return _plan(width, height, spec, min(wanted, _whole(width, spec)), min(wanted, _whole(height, spec)))
    demand = demand or Demand(max(spec.bytes_per_pixel, 1.0))
    candidates = _candidates(width, height, spec, demand)
    enough = int(_SLIGHT_REDUNDANCY * width * height)
    best = _best(candidates, memory_budget or default_memory_budget(), enough, spec)
    return _plan(width, height, spec, best.tile_width, best.tile_height)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A way to cut a picture."""

    tile_width: int
    tile_height: int
    tiles: int
    memory: int

    @property
    def computed(self) -> int:
        """Input pixels that the network sees."""
        return self.tiles * self.tile_width * self.tile_height

    @property
    def work(self) -> int:
        """The time that takes, as pixels."""
        return self.computed + self.tiles * _PIXELS_PER_RUN


def _best(candidates: Sequence[_Candidate], budget: int, enough: int, spec: ModelSpec) -> _Candidate:
    """The candidate of least work, or one of less memory that computes no more than `enough` pixels."""
    affordable = [candidate for candidate in candidates if candidate.memory <= budget]
    if not affordable:
        return min(candidates, key=lambda candidate: (candidate.memory, candidate.work))
    if spec.feather and spec.receptive_radius is None:  # it looks at all of a tile, and should see much of the picture
        return min(affordable, key=lambda candidate: (candidate.tiles, candidate.work))
    if spec.feather and affordable[0].tiles == 1:  # the fewer seams the better
        return affordable[0]
    quickest = min(affordable, key=lambda candidate: (candidate.work, candidate.memory))
    return min(
        (candidate for candidate in affordable if candidate.computed <= enough),
        key=lambda candidate: (max(candidate.memory, _MODEST_MEMORY), candidate.work),
        default=quickest,
    )


def _plan(width: int, height: int, spec: ModelSpec, tile_width: int, tile_height: int) -> TilePlan:
    return TilePlan(
        width,
        height,
        tile_width=tile_width,
        tile_height=tile_height,
        halo=spec.halo,
        feather=spec.feather,
        multiple=spec.multiple_of,
    )


def _fixed_plan(width: int, height: int, spec: ModelSpec, size: tuple[int, int]) -> TilePlan:
    try:
        return _plan(width, height, spec, size[1], size[0])
    except ValueError as error:
        raise ModelError(f"{spec.name} takes {size[1]} × {size[0]} pixels only: {error}", parameter="model") from error


def _whole(size: int, spec: ModelSpec) -> int:
    """The shortest tile that the network takes and that holds `size` pixels."""
    return _round_up(max(size, spec.minimum, _NARROWEST), spec.multiple_of)


def _smallest_tile(spec: ModelSpec) -> int:
    """The shortest tile for pictures that do not fit in one."""
    least = TilePlan.smallest_tile(halo=spec.halo, feather=spec.feather, multiple=spec.multiple_of)
    return _whole(least, spec)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _candidates(width: int, height: int, spec: ModelSpec, demand: Demand) -> list[_Candidate]:
    """Plans worth a look, the whole picture first: numbers of columns and rows, each with the shortest tiles for it."""
    return [
        _Candidate(
            tile_width, tile_height, columns * rows, demand.bytes_for(tile_width, tile_height, width, spec.scale)
        )
        for columns, tile_width in _cuts(width, spec)
        for rows, tile_height in _cuts(height, spec)
    ]


def _cuts(size: int, spec: ModelSpec) -> list[tuple[int, int]]:
    """Ways to cut an axis: a number of tiles and the shortest length for it, from the whole to the smallest tile.

    Lengths are not rounded up to suit vectors: around 512 x 384 pixels multiples of 16 were at most 1.6% faster per
    pixel than what lies between them (OpenVINO in bf16 on a Zen 4), and the pixels to get there cost as much.
    """
    smallest, whole = _smallest_tile(spec), _whole(size, spec)
    overlap = 2 * spec.halo + spec.feather
    cuts = [(1, whole)]
    count = 2
    while cuts[-1][1] > smallest and size > overlap:
        length = max(smallest, _round_up(math.ceil((size + (count - 1) * overlap) / count), spec.multiple_of))
        if length < cuts[-1][1]:
            cuts.append((max(2, math.ceil((size - overlap) / (length - overlap))), length))
        # Beyond the first few, one tile more makes next to no difference.
        count += max(1, count // _STEPS)
    return cuts
