"""Chooses tiles and batch sizes for tiles that stay on a device.

The network is opened once per tile shape, which takes far longer than one tile. So tiles are
squares from a short list wherever the picture is larger, and pictures of all sizes share these
shapes.
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

# Tried in this order. The largest is a guess that has not been measured: larger tiles waste
# less on halos, smaller ones use caches better.
SIDES = (512, 384, 256, 192, 128, 96, 64, 32, 16)

# This many pixels keep a large device busy. Batches have at most as many.
_PIXELS_PER_RUN = SIDES[0] ** 2

RING = 3
"""Bands in flight: one is blended, one is copied to the host, one is taken by the sink."""


@dataclass(frozen=True, slots=True)
class DeviceDemand:
    """Device memory that a picture takes, beyond the loaded network.

    Attributes:
        picture: Bytes of the picture's samples.
        tile_pixel: Bytes for each input pixel of a batch: activations, the batch and its result.
        band_pixel: Bytes for each output pixel of a band.
    """

    picture: int
    tile_pixel: float
    band_pixel: float

    @classmethod
    def of(cls, session: CudaSession, pixels: int, pixel_bytes: int) -> DeviceDemand:
        """Returns the demand of a picture.

        Args:
            session: Session that runs the network.
            pixels: Number of pixels of the picture.
            pixel_bytes: Bytes of one pixel, in the picture and in the result.
        """
        shape = (1, session.planes, 8, 8)
        elements = math.prod(shape) + session.new_result(shape).size
        buffers = elements * session.dtype.itemsize / math.prod(shape[2:])
        return cls(pixels * pixel_bytes, session.activation_bytes + buffers, RING * pixel_bytes)

    def bytes_for(self, plan: TilePlan, count: int, scale: int) -> int:
        """Returns the peak memory in bytes, for batches of `count` tiles."""
        band = plan.tile_height * scale * plan.width * scale * self.band_pixel
        return int(self.picture + count * plan.tile_width * plan.tile_height * self.tile_pixel + band)


def default_device_budget(kernels: ModuleType) -> int:
    """Returns the default memory budget of a picture in bytes: half of the free device memory."""
    free: int = kernels.memory()[0]
    return free // 2


def plan_device_tiles(
    width: int, height: int, spec: ModelSpec, *, demand: DeviceDemand, tile: int | None, memory_budget: int
) -> TilePlan:
    """Returns the plan with the largest tiles that the budget allows.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        spec: Spec of the network.
        demand: Memory to count.
        tile: Width and height of tiles, raised to the network's minimum; None to choose.
        memory_budget: Bytes of device memory. If even the smallest tile takes more, the smallest
            tile is chosen.

    Raises:
        ModelError: See `plan_tiles`.
        TilewrightError: See `plan_tiles`.
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
    """Returns the sides to try, from the largest.

    A network that averages over its tile needs large tiles.
    """
    larger = []
    while spec.feather and spec.receptive_radius is None and longest > SIDES[0]:
        larger.append(longest)
        longest = -(-longest // 2)
    return [*larger, *SIDES]


def smaller_tiles(plan: TilePlan, spec: ModelSpec, height: int) -> TilePlan | None:
    """Returns a plan of smaller tiles for the last `height` rows of a picture, or None."""
    longest = max(plan.tile_width, plan.tile_height)
    for side in _sides(longest, spec):
        if side < longest:
            smaller = plan_tiles(plan.width, height, spec, tile=side)
            if smaller.tile_width * smaller.tile_height < plan.tile_width * plan.tile_height:
                return smaller
    return None


def batch_size(plan: TilePlan, scale: int, tiles: int, *, demand: DeviceDemand, memory_budget: int) -> int:
    """Returns how many of `tiles` tiles one batch has: a power of two."""
    count = 1
    while (
        2 * count <= tiles
        and 2 * count * plan.tile_width * plan.tile_height <= _PIXELS_PER_RUN
        and demand.bytes_for(plan, 2 * count, scale) <= memory_budget
    ):
        count *= 2
    return count
