"""Runs one picture through one network, on the executor for the session's memory."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tilewright.engine.alpha import bleed_colour
from tilewright.engine.cuda.executor import CudaExecutor
from tilewright.engine.host.executor import HostExecutor
from tilewright.engine.job import Job, PictureShape
from tilewright.engine.layers import Layer, picture_layers
from tilewright.engine.planner import tile_warning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tilewright._core import TilePlan
    from tilewright.engine.executor import Executor
    from tilewright.engine.job import TileLimits
    from tilewright.engine.networks import Lease
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.report import Report
    from tilewright.engine.sessions.base import Session
    from tilewright.engine.sinks import RowSink
    from tilewright.picture import Pixels


_log = logging.getLogger("tilewright")


class Executors:
    """One executor for each kind of memory.

    Only the thread with exclusive use of the networks may use them, except to plan.
    """

    def __init__(self) -> None:
        """Makes the executors; they take no memory yet."""
        self._executors: Mapping[str, Executor] = {"host": HostExecutor(), "cuda": CudaExecutor()}
        self._warned: set[tuple[str, TileLimits]] = set()

    def for_session(self, session: Session) -> Executor:
        """Returns the executor for the memory that a session's tensors are in."""
        return self._executors[session.tensor_memory]

    def plan(self, shape: PictureShape, session: Session, limits: TileLimits) -> TilePlan:
        """Cuts a picture into tiles; see `Executor.plan`.

        Logs a warning, once for each network, if the caller's tile or budget multiplies the work.
        """
        plan = self.for_session(session).plan(shape, session, limits)
        warning = tile_warning(plan, session.spec, limits.tile, limits.memory_budget)
        key = session.spec.name, limits
        if warning is not None and key not in self._warned:
            self._warned.add(key)
            _log.warning("%s: %s", session.spec.name, warning)
        return plan

    def release_buffers(self) -> None:
        """Frees the buffers that are kept between pictures."""
        for executor in self._executors.values():
            executor.release_buffers()


def execute(
    pixels: Pixels,
    alpha: Pixels | None,
    lease: Lease,
    sink: RowSink,
    executors: Executors,
    *,
    limits: TileLimits,
    on_progress: OnProgress | None,
    report: Report,
) -> None:
    """Runs a picture through a network, tile by tile, into a sink.

    Args:
        pixels: ``[H, W, C]``, colour with or without alpha. The sink's first array gets the result.
        alpha: ``[H, W]``, separate alpha, for the sink's second array; None if there is none.
        lease: The network.
        sink: Receives the rows.
        executors: Executors to choose from.
        limits: Limits for tiles.
        on_progress: Called before the first tile and after each tile; None if nobody listens.
        report: Receives times, and what the picture ran on.

    Raises:
        ModelError: The network has a fixed input size that is too small for its own halo.
        InferenceError: The runtime failed, or a tile is not finite in float32 either.
    """
    session = lease.session
    with report.stage("gather"):
        pixels = bleed_colour(pixels, alpha)
    height, width, channels = pixels.shape
    pixel_bytes = (channels + (alpha is not None)) * pixels.itemsize
    layers = picture_layers(pixels, alpha, session.spec)
    in_network = sum(isinstance(layer, Layer) for layer in layers)
    job = Job(
        shape=PictureShape(width, height, pixel_bytes, sink.pixel_bytes, in_network),
        layers=layers,
        session=session,
        exact_session=lease.exact_session,
        sink=sink,
        limits=limits,
        on_progress=on_progress,
        report=report,
    )
    plan = executors.plan(job.shape, session, limits)
    report.describe(plan, session)
    executors.for_session(session).run(job, plan)
