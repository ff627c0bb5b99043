"""Chooses the tiles of a picture. `TilePlan` has the geometry; the policy is here."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright._core import TilePlan
from tilewright.engine.memory import default_memory_budget, extended_memory_budget
from tilewright.errors import ModelError, TilewrightError
from tilewright.limits import NARROWEST
from tilewright.models.spec import round_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright.models.spec import ModelSpec

# Above this memory, a plan of up to this redundancy is preferred to a faster one of more memory.
# Memory grows with a tile's area, while the cost of its halo shrinks with its side: with a halo of
# 18, tiles of 0.5 megapixels take 10 % more time than a whole picture, and tiles of 5 megapixels,
# with ten times the memory, 3 % more.
_MODEST_MEMORY = 448 * 2**20
_SLIGHT_REDUNDANCY = 1.10

# If the plan that is chosen in this way takes more than this memory, one of more redundancy and less
# memory is chosen. In float32 on OpenVINO, a picture of 16 megapixels would take 733 MB.
_MUCH_MEMORY = 512 * 2**20
_MODERATE_REDUNDANCY = 1.15

# Above this redundancy, a plan without a budget from the caller may take the extended budget. Deep
# networks have a halo of up to 96 and take 15 kB for each pixel, so within 4 GiB their tiles are
# mostly halo.
HIGH_REDUNDANCY = 1.25

# From this redundancy on, a tile or a budget that the caller has chosen is worth a warning.
_WASTEFUL_REDUNDANCY = 3.0

# Fixed cost of a tile (calls, thread synchronisation), expressed in pixels.
_PIXELS_PER_RUN = 1000

# Numbers of columns and rows to try: every number up to this, then in steps of 1/16 of the number.
_STEPS = 16


@dataclass(frozen=True, slots=True)
class Demand:
    """Host memory of a job, beyond the picture itself and a result that is kept whole.

    Attributes:
        tile_pixel: Bytes for each input pixel of a tile: activations, and the buffers of all tiles
            in flight.
        band_pixel: Bytes for each output pixel of a band; 0 if rows go straight into whole arrays.
    """

    tile_pixel: float
    band_pixel: float = 0.0

    def bytes_for(self, tile_width: int, tile_height: int, width: int, scale: int) -> int:
        """Returns the peak memory in bytes.

        Args:
            tile_width: In input pixels.
            tile_height: In input pixels. A band is never higher than a tile.
            width: Width of the picture.
            scale: Scale of the network.
        """
        band = tile_height * scale * width * scale * self.band_pixel
        return int(tile_width * tile_height * self.tile_pixel + band)


def check_limits(tile: int | None, memory_budget: int | None) -> None:
    """Checks limits that a caller gave.

    Raises:
        TilewrightError: One of them is not a positive integer.
    """
    for name, value in (("tile", tile), ("memory_budget", memory_budget)):
        if value is not None and (not isinstance(value, numbers.Integral) or value < 1):
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
    """Cuts a picture into tiles of one shape.

    Chooses the fastest plan within the memory budget, or one that is slightly slower and takes much
    less memory. A network that is not exact gets the whole picture as one tile if the budget allows
    it.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        spec: Spec of the network.
        demand: Memory to count; None for ``spec.bytes_per_pixel``.
        tile: Width and height of tiles, raised to the network's minimum; None to choose.
        memory_budget: Bytes that `demand` may add up to; None for `default_memory_budget`, and up to
            `extended_memory_budget` if the plan would be much faster with it. If even the smallest
            tile takes more, the smallest tile is chosen.

    Raises:
        ModelError: The network has a fixed input size that is too small for its own halo.
        TilewrightError: `tile` or `memory_budget` is not a positive integer.
    """
    check_limits(tile, memory_budget)
    if spec.fixed_size is not None:
        return _fixed_plan(width, height, spec, spec.fixed_size)
    if tile is not None:
        wanted = round_up(max(tile, _smallest_tile(spec)), spec.multiple_of)
        return _plan(width, height, spec, _on_grid(wanted, width, spec), _on_grid(wanted, height, spec))
    demand = demand or Demand(max(spec.bytes_per_pixel, 1.0))
    candidates = _candidates(width, height, spec, demand)
    pixels = max(width, NARROWEST) * max(height, NARROWEST)
    budget = memory_budget or default_memory_budget()
    best = _best(candidates, budget, int(_SLIGHT_REDUNDANCY * pixels), spec)
    if best.memory > _MUCH_MEMORY:
        best = _best(candidates, budget, int(_MODERATE_REDUNDANCY * pixels), spec)
    if memory_budget is None and best.computed > HIGH_REDUNDANCY * pixels:
        best = _best(candidates, extended_memory_budget(), int(HIGH_REDUNDANCY * pixels), spec)
    return _plan(width, height, spec, best.tile_width, best.tile_height)


def tile_warning(plan: TilePlan, spec: ModelSpec, tile: int | None, memory_budget: int | None = None) -> str | None:
    """Returns a warning if the tile or the budget of a caller multiplies the work; None if not.

    Args:
        plan: From `plan_tiles`.
        spec: Spec of the network.
        tile: Width and height of tiles that the caller asked for; None if the planner chose.
        memory_budget: Bytes that the caller allowed for tiles; None if the planner chose.
    """
    if spec.fixed_size is not None or plan.redundancy < _WASTEFUL_REDUNDANCY:
        return None
    size, redundancy = f"{plan.tile_width} x {plan.tile_height} pixels", f"{plan.redundancy:.1f} pixels for each one"
    if tile is not None:
        raised = f" ({tile} is less than the network takes)" if tile < min(plan.tile_width, plan.tile_height) else ""
        # A tile of this side computes `_WASTEFUL_REDUNDANCY` times the pixels that it owns.
        overlap = 2 * spec.halo + spec.feather
        better = round_up(math.ceil(overlap / (1 - _WASTEFUL_REDUNDANCY**-0.5)), 16)
        return (
            f"tiles of {size}{raised} compute {redundancy} needed, and take as many times as long; "
            f"choose {better} or more, or none"
        )
    if memory_budget is not None:
        return (
            f"the memory budget (TILEWRIGHT_MEMORY_BUDGET) of {memory_budget} bytes is small: its tiles of {size} "
            f"compute {redundancy} needed, and take as many times as long; raise it, or leave it out"
        )
    return None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A way to cut a picture."""

    tile_width: int
    tile_height: int
    tiles: int
    memory: int

    @property
    def computed(self) -> int:
        """Input pixels that the network processes."""
        return self.tiles * self.tile_width * self.tile_height

    @property
    def work(self) -> int:
        """Estimated time, expressed in pixels."""
        return self.computed + self.tiles * _PIXELS_PER_RUN


def _best(candidates: Sequence[_Candidate], budget: int, enough: int, spec: ModelSpec) -> _Candidate:
    """Returns the fastest candidate, or one of less memory that computes up to `enough` pixels."""
    affordable = [candidate for candidate in candidates if candidate.memory <= budget]
    if not affordable:
        return min(candidates, key=lambda candidate: (candidate.memory, candidate.work))
    if spec.feather and spec.receptive_radius is None:  # it averages over the tile: few, large tiles
        return min(affordable, key=lambda candidate: (candidate.tiles, candidate.work))
    if spec.feather and affordable[0].tiles == 1:  # no seams at all
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
        grid=spec.grid,
    )


def _fixed_plan(width: int, height: int, spec: ModelSpec, size: tuple[int, int]) -> TilePlan:
    try:
        return _plan(width, height, spec, size[1], size[0])
    except ValueError as error:
        raise ModelError(f"{spec.name} takes only {size[1]} × {size[0]} pixels: {error}", parameter="model") from error


def _tile_for(size: int, spec: ModelSpec) -> int:
    """Returns the shortest tile that holds `size` pixels and that the network takes.

    Narrower pictures are extended by mirroring. Networks see zeros beyond the border, and with zeros
    close on all sides they invent colours: a single grey pixel came out up to 155 of 255 levels off,
    with mirroring at most 4.
    """
    return round_up(max(size, spec.minimum, NARROWEST), spec.multiple_of)


def _on_grid(length: int, size: int, spec: ModelSpec) -> int:
    """Returns the least length of at least `length` with which all origins are on the grid.

    Args:
        length: A multiple of ``spec.multiple_of``.
        size: Size of the picture.
        spec: Spec of the network.
    """
    whole, unit = _tile_for(size, spec), math.lcm(spec.multiple_of, spec.grid)
    return whole - max(whole - length, 0) // unit * unit


def _smallest_tile(spec: ModelSpec) -> int:
    """Returns the shortest tile for pictures that do not fit into one tile."""
    least = TilePlan.smallest_tile(halo=spec.halo, feather=spec.feather, multiple=spec.multiple_of, grid=spec.grid)
    return _tile_for(least, spec)


def _candidates(width: int, height: int, spec: ModelSpec, demand: Demand) -> list[_Candidate]:
    """Returns the plans to compare, the whole picture first.

    For each number of columns and rows, these are the shortest tiles.
    """
    return [
        _Candidate(
            tile_width, tile_height, columns * rows, demand.bytes_for(tile_width, tile_height, width, spec.scale)
        )
        for columns, tile_width in _axis_cuts(width, spec)
        for rows, tile_height in _axis_cuts(height, spec)
    ]


def _axis_cuts(size: int, spec: ModelSpec) -> list[tuple[int, int]]:
    """Returns the ways to cut an axis: pairs of a number of tiles and the shortest length for it.

    They begin with one tile and end with the smallest tiles. Lengths are not rounded up to vector
    widths. Around 512 x 384 pixels, multiples of 16 were at most 1.6 % faster per pixel (OpenVINO in
    bf16 on a Zen 4), and the pixels added by rounding cost as much.
    """
    smallest, whole = _on_grid(_smallest_tile(spec), size, spec), _tile_for(size, spec)
    overlap = 2 * spec.halo + spec.feather
    cuts = [(1, whole)]
    count = 2
    while cuts[-1][1] > smallest and size > overlap:
        length = max(smallest, round_up(math.ceil((size + (count - 1) * overlap) / count), spec.multiple_of))
        length = _on_grid(length, size, spec)
        if length < cuts[-1][1]:
            cuts.append((max(2, math.ceil((size - overlap) / (length - overlap))), length))
        # Beyond the first few, one more tile makes almost no difference.
        count += max(1, count // _STEPS)
    return cuts
