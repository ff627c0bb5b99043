"""What a picture would take, before it is upscaled."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.engine.cuda.planner import DeviceDemand
from tilewright.engine.execute import plan_on_device, plan_on_host
from tilewright.engine.planner import Demand
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from tilewright._core import TilePlan
    from tilewright.engine.execute import Limits
    from tilewright.engine.sessions import Session

# Large enough for the network's usual rate, small enough for little time: 0.1 s for the fast networks on two cores.
_PROBE_SIDE = 128

_PIXEL_BYTES = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """How a picture is cut, and what that comes to.

    Attributes:
        plan: the tiles.
        memory: bytes beyond the loaded network, at most: the picture, activations, tiles on their way, bands of rows;
            of the device where tiles stay there.
        seconds: that the network takes, by its rate on a small patch.
    """

    plan: TilePlan
    memory: int
    seconds: float


def estimate(session: Session, width: int, height: int, limits: Limits) -> Estimate:
    """Plans an RGB picture of 8 bits that is written as PNG, and runs the network a moment to learn its rate."""
    if isinstance(session, CudaSession):
        plan = plan_on_device(width, height, session, limits, pixel_bytes=_PIXEL_BYTES)
        demand = DeviceDemand.of(session, width * height, _PIXEL_BYTES)
        memory = demand.bytes_for(plan, 1, session.spec.scale)
    else:
        plan = plan_on_host(width, height, session, limits, band_pixel=_PIXEL_BYTES)
        of_tiles = Demand.of(session, band_pixel=_PIXEL_BYTES)
        memory = width * height * _PIXEL_BYTES
        memory += of_tiles.bytes_for(plan.tile_width, plan.tile_height, width, session.spec.scale)
    return Estimate(plan, memory, len(plan) * plan.tile_width * plan.tile_height * _seconds_per_pixel(session))


def _seconds_per_pixel(session: Session) -> float:
    batch = probe_batch(session.spec, _PROBE_SIDE)
    session.run(batch)  # the first run of a shape sets things up
    began = time.perf_counter()
    session.run(batch)
    return (time.perf_counter() - began) / float(batch.shape[2] * batch.shape[3])
