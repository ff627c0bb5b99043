"""What a picture would take, before it is upscaled."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.engine.planner import plan_tiles
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from tilewright._core import TilePlan
    from tilewright.engine.planner import Demand
    from tilewright.engine.sessions import Session

# Large enough for the network's usual rate, small enough for little time: 0.1 s for the fast networks on two cores.
_PROBE_SIDE = 128


@dataclass(frozen=True, slots=True)
class Estimate:
    """How a picture is cut, and what that comes to.

    Attributes:
        plan: the tiles.
        memory: bytes beyond the loaded network, at most: the picture, activations, tiles on their way, a band of rows.
        seconds: that the network takes, by its rate on a small patch.
    """

    plan: TilePlan
    memory: int
    seconds: float


def estimate(
    session: Session, demand: Demand, width: int, height: int, *, tile: int | None, memory_budget: int | None
) -> Estimate:
    """Plans an RGB picture of 8 bits that is written as PNG, and runs the network a moment to learn its rate."""
    spec = session.spec
    plan = plan_tiles(width, height, spec, demand=demand, tile=tile, memory_budget=memory_budget)
    picture = width * height * 3
    return Estimate(
        plan,
        picture + demand.bytes_for(plan.tile_width, plan.tile_height, width, spec.scale),
        len(plan) * plan.tile_width * plan.tile_height * _seconds_per_pixel(session),
    )


def _seconds_per_pixel(session: Session) -> float:
    batch = probe_batch(session.spec, _PROBE_SIDE)
    session.run(batch)  # the first run of a shape sets things up
    began = time.perf_counter()
    session.run(batch)
    return (time.perf_counter() - began) / float(batch.shape[2] * batch.shape[3])
