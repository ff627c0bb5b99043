"""Runs pictures with tiles in host memory."""

from __future__ import annotations

import contextlib
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from tilewright._core import TilePlan
from tilewright.engine.buffers import BufferPool
from tilewright.engine.host.stream_loop import StreamLoop
from tilewright.engine.host.tile_loop import SLOTS, Slot, TileLoop
from tilewright.engine.memory import default_memory_budget, extended_memory_budget
from tilewright.engine.planner import HIGH_REDUNDANCY, Demand, plan_tiles
from tilewright.limits import NARROWEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.engine.job import Job, PictureShape, TileLimits
    from tilewright.engine.sessions.base import Session, Streaming


class HostExecutor:
    """An `Executor` for sessions that read and write host memory."""

    def __init__(self) -> None:
        """Starts without buffers."""
        self._slots: BufferPool[Slot] = BufferPool()

    def plan(self, shape: PictureShape, session: Session, limits: TileLimits) -> TilePlan:
        """See `Executor.plan`."""
        bands, memory = None, 0
        if limits.tile is None and session.streaming is not None and (bands := _bands(session.streaming, shape)):
            memory = _stream_bytes(session, shape, bands)
            if memory <= (limits.memory_budget or default_memory_budget()):
                return bands
        tiles = plan_tiles(
            shape.width,
            shape.height,
            session.spec,
            demand=_demand(session, shape),
            tile=limits.tile,
            memory_budget=limits.memory_budget,
        )
        # Tiles of deep networks may take more memory than others, and so may their streams.
        may_extend = limits.memory_budget is None and tiles.redundancy > HIGH_REDUNDANCY
        return bands if bands and may_extend and memory <= extended_memory_budget() else tiles

    def memory(self, shape: PictureShape, session: Session, plan: TilePlan) -> int:
        """See `Executor.memory`."""
        if plan.is_bands:
            return shape.width * shape.height * shape.pixel_bytes + _stream_bytes(session, shape, plan)
        tiles = _demand(session, shape).bytes_for(plan.tile_width, plan.tile_height, shape.width, session.spec.scale)
        return shape.width * shape.height * shape.pixel_bytes + tiles

    def run(self, job: Job, plan: TilePlan) -> None:
        """See `Executor.run`."""
        session = job.session
        if plan.is_bands and session.streaming is not None:
            streams = StreamLoop(job, plan, session.streaming)
            with _network_thread() as network:
                streams.run(network)
            return
        loop = TileLoop(job, plan)
        shape = loop.batch_shape
        slots = [slot for slot in self._slots.take() if slot.session is session and slot.batch.shape == shape]
        while len(slots) < min(SLOTS, loop.total):
            slots.append(Slot(session, np.empty(shape, np.float32), session.new_result(shape)))
        try:
            with _network_thread() as network:
                loop.run(network, slots)
        finally:
            self._slots.keep(slots)

    def release_buffers(self) -> None:
        """See `Executor.release_buffers`."""
        self._slots.clear()


@contextlib.contextmanager
def _network_thread() -> Iterator[ThreadPoolExecutor]:
    """Yields the thread that runs the network, and waits for it at the end."""
    with ThreadPoolExecutor(1, thread_name_prefix="tilewright-network") as network:
        # Starts the thread. If Ctrl-C came while it starts with a tile, nobody would wait for it.
        network.submit(int).result()
        yield network


def _bands(streaming: Streaming, shape: PictureShape) -> TilePlan | None:
    """Returns the bands of a picture; None if it is so narrow that tiles extend it."""
    if min(shape.width, shape.height) < NARROWEST:
        return None
    return TilePlan.bands(shape.width, shape.height, streaming.band(shape.height, shape.width))


def _stream_bytes(session: Session, shape: PictureShape, plan: TilePlan) -> int:
    """Memory of the streams of all layers, and of their rows and results."""
    assert session.streaming is not None
    batch = (1, session.spec.planes, plan.tile_height, plan.tile_width)
    buffers = 3 * 4 * math.prod(batch) + 2 * session.new_result(batch).nbytes
    stream = session.streaming.stream_bytes(shape.height, shape.width) + buffers
    band = plan.tile_height * session.spec.scale * shape.width * session.spec.scale * shape.band_pixel_bytes
    return shape.layers * stream + band


def _demand(session: Session, shape: PictureShape) -> Demand:
    """Memory of the network's activations, and of the batches and results of all slots."""
    batch = (1, session.spec.planes, 8, 8)
    result = session.new_result(batch)
    buffers = (4 * math.prod(batch) + result.nbytes) / math.prod(batch[2:])
    return Demand(session.activation_bytes + SLOTS * buffers, shape.band_pixel_bytes)
