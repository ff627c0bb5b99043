"""How a picture is cut for tiles that stay on a device, and how many of them go through the network together.

Shapes are few: the network is opened for each of them, which takes far longer than a tile. So tiles are squares from a
short list wherever the picture is larger, and pictures of all sizes share them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.engine.planner import check_limits, plan_tiles

if TYPE_CHECKING:
    from types import ModuleType

    from tilewright._core import TilePlan
    from tilewright.engine.sessions.cuda import CudaSession
    from tilewright.models.spec import ModelSpec

# Tried from the largest. The largest is a guess that is to be measured: larger tiles waste less on halos, smaller ones
# find more of what they read in the caches.
SIDES = (512, 384, 256, 192, 128, 96, 64, 32, 16)

# So many pixels keep a large device busy; more tiles than that are not put into a batch.
_PIXELS_PER_RUN = SIDES[0] ** 2

RING = 3
"""Bands on their way: one that is blended, one that is copied, one that the sink takes."""


@dataclass(frozen=True, slots=True)
class DeviceDemand:
    """Memory of the device that a picture takes beyond the loaded network.

    Attributes:
        picture: bytes of its samples.
        tile_pixel: bytes for each input pixel of a batch: activations, the batch and its result.
        band_pixel: bytes for each output pixel of a band.
    """

    picture: int
    tile_pixel: float
    band_pixel: float

    @classmethod
    def of(cls, session: CudaSession, pixels: int, pixel_bytes: int) -> DeviceDemand:
        """That of a picture of so many pixels, which take `pixel_bytes` each, there and in the result."""
        shape = (1, session.planes, 8, 8)
        elements = math.prod(shape) + session.new_result(shape).size
        buffers = elements * session.dtype.itemsize / math.prod(shape[2:])
        return cls(pixels * pixel_bytes, session.activation_bytes + buffers, RING * pixel_bytes)

    def bytes_for(self, plan: TilePlan, count: int, scale: int) -> int:
        """Most bytes at once, for batches of `count` tiles."""
        band = plan.tile_height * scale * plan.width * scale * self.band_pixel
        return int(self.picture + count * plan.tile_width * plan.tile_height * self.tile_pixel + band)


def default_device_budget(kernels: ModuleType) -> int:
    """Bytes of the device that a picture may take unless told otherwise: half of what is free."""
    free: int = kernels.memory()[0]
    return free // 2


def plan_device_tiles(
    width: int, height: int, spec: ModelSpec, *, demand: DeviceDemand, tile: int | None, memory_budget: int
) -> TilePlan:
    """The plan of the largest tiles that the budget allows.

    Args:
        width: of the picture, in pixels.
        height: likewise.
        spec: the network's.
        demand: the memory that is counted.
        tile: as for `plan_tiles`.
        memory_budget: bytes of the device; a budget below the smallest tile gives the smallest tile.

    Raises:
        ModelError, TilewrightError: as `plan_tiles`.
    """
    check_limits(tile, memory_budget)
    if tile is not None:
        return plan_tiles(width, height, spec, tile=tile)
    for side in _sides(max(width, height), spec):
        plan = plan_tiles(width, height, spec, tile=side)
        if demand.bytes_for(plan, 1, spec.scale) <= memory_budget:
            break
    return plan


def _sides(longest: int, spec: ModelSpec) -> list[int]:
    """From the largest; a network that looks at all of a tile should see much of the picture."""
    larger = []
    while spec.feather and spec.receptive_radius is None and longest > SIDES[0]:
        larger.append(longest)
        longest = -(-longest // 2)
    return [*larger, *SIDES]


def smaller_tiles(plan: TilePlan, spec: ModelSpec, height: int) -> TilePlan | None:
    """A plan of smaller tiles for the last `height` rows of the same picture; None when there are no smaller ones."""
    longest = max(plan.tile_width, plan.tile_height)
    for side in _sides(longest, spec):
        if side < longest:
            smaller = plan_tiles(plan.width, height, spec, tile=side)
            if smaller.tile_width * smaller.tile_height < plan.tile_width * plan.tile_height:
                return smaller
    return None


def batch_size(plan: TilePlan, scale: int, tiles: int, *, demand: DeviceDemand, memory_budget: int) -> int:
    """How many of `tiles` tiles go through the network together: a power of two."""
    count = 1
    while (
        2 * count <= tiles
        and 2 * count * plan.tile_width * plan.tile_height <= _PIXELS_PER_RUN
        and demand.bytes_for(plan, 2 * count, scale) <= memory_budget
    ):
        count *= 2
    return count
