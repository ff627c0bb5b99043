"""How a picture is cut into tiles: policy, over the geometry of `TilePlan`."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright._core import TilePlan
from tilewright.errors import ModelError, TilewrightError

if TYPE_CHECKING:
    from tilewright.models.spec import ModelSpec

# Networks that average over ever larger tiles gain nothing visible from more memory than this.
_LARGEST_DEFAULT_BUDGET = 4 * 2**30

# Narrower pictures are mirrored up to this: networks see zeros beyond the border, and with zeros on all sides at once
# they invent colours. A flat grey pixel alone came out up to 155 of 255 levels off, with this at most 4.
_NARROWEST = 16


def default_memory_budget() -> int:
    """Bytes a network's activations may take unless told otherwise: a quarter of the memory, at most 4 GiB."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this platform
        return _LARGEST_DEFAULT_BUDGET // 2
    # A container may have less than the machine: the limit of its control group (version 2), "max" for none.
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(_LARGEST_DEFAULT_BUDGET, memory // 4)


def check_limits(tile: int | None, memory_budget: int | None) -> None:
    """Refuses what `plan_tiles` cannot plan with.

    Raises:
        TilewrightError: one of them is no positive integer.
    """
    for name, value in (("tile", tile), ("memory_budget", memory_budget)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise TilewrightError(f"{name} must be a positive integer, not {value!r}", parameter=name)


def plan_tiles(
    width: int, height: int, spec: ModelSpec, *, tile: int | None = None, memory_budget: int | None = None
) -> TilePlan:
    """Plans a picture: as one tile where it fits, else as the grid that computes the fewest pixels.

    Args:
        width: of the picture, in pixels.
        height: likewise.
        spec: the network's.
        tile: fixes width and height of the tiles (raised to the least the network needs); None to choose.
        memory_budget: bytes for the network's activations, by the estimate ``spec.bytes_per_pixel``; None for
            `default_memory_budget`. A budget below the smallest possible tile gives the smallest tile.

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
    area = int((memory_budget or default_memory_budget()) / max(spec.bytes_per_pixel, 1.0))
    return _plan(width, height, spec, *_least_work(width, height, spec, area))


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


def _least_work(width: int, height: int, spec: ModelSpec, area: int) -> tuple[int, int]:
    """Tile width and height of at most `area` pixels that compute the fewest pixels; the larger tile among equals."""
    best: tuple[int, int, int, int] | None = None
    for columns in range(1, _most(width, spec) + 1):
        tile_width = _tile_for(width, columns, spec)
        rows = _fewest(height, area // tile_width, spec)
        if rows is None:
            continue
        tile_height = _tile_for(height, rows, spec)
        work = columns * rows * tile_width * tile_height
        candidate = (work, columns * rows, tile_width, tile_height)
        best = candidate if best is None else min(best, candidate)
        if rows == 1:  # narrower tiles only add seams from here on
            break
    if best is None:
        smallest = _smallest_tile(spec)
        return min(smallest, _whole(width, spec)), min(smallest, _whole(height, spec))
    return best[2], best[3]


def _tile_for(size: int, count: int, spec: ModelSpec) -> int:
    """The shortest tile of which `count` cover `size` pixels."""
    if count == 1:
        return _whole(size, spec)
    shared = (count - 1) * (2 * spec.halo + spec.feather)
    return max(_round_up(math.ceil((size + shared) / count), spec.multiple_of), _smallest_tile(spec))


def _fewest(size: int, longest: int, spec: ModelSpec) -> int | None:
    """How many tiles of at most `longest` pixels cover `size`; None when even the smallest is longer."""
    if _whole(size, spec) <= longest:
        return 1
    longest = longest // spec.multiple_of * spec.multiple_of
    if longest < _smallest_tile(spec):
        return None
    overlap = 2 * spec.halo + spec.feather
    return max(2, math.ceil((size - overlap) / (longest - overlap)))


def _most(size: int, spec: ModelSpec) -> int:
    return _fewest(size, _smallest_tile(spec), spec) or 1
