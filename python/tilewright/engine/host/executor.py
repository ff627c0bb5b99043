"""Runs pictures with tiles in host memory."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.buffers import BufferPool
from tilewright.engine.host.tile_loop import SLOTS, Slot, TileLoop
from tilewright.engine.planner import Demand, plan_tiles

if TYPE_CHECKING:
    from tilewright._core import TilePlan
    from tilewright.engine.job import Job, PictureShape, TileLimits
    from tilewright.engine.sessions.base import Session


class HostExecutor:
    """An `Executor` for sessions that read and write host memory."""

    def __init__(self) -> None:
        """Starts without buffers."""
        self._slots: BufferPool[Slot] = BufferPool()

    def plan(self, shape: PictureShape, session: Session, limits: TileLimits) -> TilePlan:
        """See `Executor.plan`."""
        return plan_tiles(
            shape.width,
            shape.height,
            session.spec,
            demand=_demand(session, shape),
            tile=limits.tile,
            memory_budget=limits.memory_budget,
        )

    def memory(self, shape: PictureShape, session: Session, plan: TilePlan) -> int:
        """See `Executor.memory`."""
        tiles = _demand(session, shape).bytes_for(plan.tile_width, plan.tile_height, shape.width, session.spec.scale)
        return shape.width * shape.height * shape.pixel_bytes + tiles

    def run(self, job: Job, plan: TilePlan) -> None:
        """See `Executor.run`."""
        session = job.session
        loop = TileLoop(job, plan)
        shape = loop.batch_shape
        slots = [slot for slot in self._slots.take() if slot.session is session and slot.batch.shape == shape]
        while len(slots) < min(SLOTS, loop.total):
            slots.append(Slot(session, np.empty(shape, np.float32), session.new_result(shape)))
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="tilewright-network") as network:
                # Starts the thread. If Ctrl-C came while it starts with a tile, nobody would wait for it.
                network.submit(int).result()
                loop.run(network, slots)
        finally:
            self._slots.keep(slots)

    def release_buffers(self) -> None:
        """See `Executor.release_buffers`."""
        self._slots.clear()


def _demand(session: Session, shape: PictureShape) -> Demand:
    """Memory of the network's activations, and of the batches and results of all slots."""
    batch = (1, session.spec.planes, 8, 8)
    result = session.new_result(batch)
    buffers = (4 * math.prod(batch) + result.nbytes) / math.prod(batch[2:])
    return Demand(session.activation_bytes + SLOTS * buffers, shape.band_pixel_bytes)
