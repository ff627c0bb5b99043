"""Runs pictures with tiles in device memory. Only finished bands come back to the host."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from tilewright.engine.buffers import BufferPool
from tilewright.engine.cuda.picture import DevicePicture
from tilewright.engine.cuda.planner import DeviceDemand, default_device_budget, plan_device_tiles, smaller_tiles
from tilewright.engine.cuda.tile_pass import PictureRun, TilePass
from tilewright.engine.progress import ProgressTracker
from tilewright.engine.sessions.base import DeviceMemoryError, device_memory
from tilewright.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright._core import TilePlan
    from tilewright.engine.cuda.bands import BandSlot
    from tilewright.engine.job import Job, PictureShape, TileLimits
    from tilewright.engine.sessions.cuda import CudaSession
    from tilewright.models.spec import ModelSpec


class CudaExecutor:
    """An `Executor` for sessions of class `CudaSession`.

    Uploads, tiles, downloads and the sink all work at the same time. If the device has less memory
    than planned, the batches become smaller, then the tiles. Bands that are finished by then stay
    valid.
    """

    def __init__(self) -> None:
        """Starts without buffers."""
        self._bands: BufferPool[BandSlot] = BufferPool()

    def plan(self, shape: PictureShape, session: CudaSession, limits: TileLimits) -> TilePlan:
        """See `Executor.plan`."""
        return plan_device_tiles(
            shape.width,
            shape.height,
            session.spec,
            demand=_demand(session, shape),
            tile=limits.tile,
            memory_budget=limits.memory_budget or default_device_budget(session.kernels),
        )

    def memory(self, shape: PictureShape, session: CudaSession, plan: TilePlan) -> int:
        """See `Executor.memory`; the bytes are of device memory, for batches of one tile."""
        return _demand(session, shape).bytes_for(plan, 1, session.spec.scale)

    def run(self, job: Job, plan: TilePlan) -> None:
        """See `Executor.run`. The sink is called on a thread of its own.

        Raises:
            DeviceMemoryError: The device has not enough memory for the smallest tile.
            InferenceError: The runtime failed, or a tile is not finite in float32 either.
        """
        session = cast("CudaSession", job.session)
        with _errors_mapped(session), ThreadPoolExecutor(1, thread_name_prefix="tilewright-bands") as thread:
            try:
                self._run_plans(job, session, plan, thread)
            except BaseException:
                thread.shutdown(cancel_futures=True)  # bands that are still on their way are not needed
                raise
        with job.report.stage("encode"):
            job.sink.finish()

    def release_buffers(self) -> None:
        """See `Executor.release_buffers`."""
        self._bands.clear()

    def _run_plans(self, job: Job, session: CudaSession, plan: TilePlan, thread: ThreadPoolExecutor) -> None:
        """Runs the plan, and plans of smaller tiles for the rows that it had no memory for."""
        budget = job.limits.memory_budget or default_device_budget(session.kernels)
        sources = list({id(layer.source): layer.source for layer in job.network_layers}.values())
        with device_memory(session.spec.name):
            picture = DevicePicture(session.kernels, sources)
        progress = ProgressTracker(job.on_progress, job.report)
        run = PictureRun(job, session, picture, self._bands, budget, thread, progress)
        height, top = plan.height, 0
        progress.announce(remaining=len(plan) * len(job.network_layers), rows=0)
        try:
            while True:
                try:
                    _run_pass(run, plan, top)
                    return
                except DeviceMemoryError:
                    top = _first_row_needed(run.finished, session.spec)
                    smaller = smaller_tiles(plan, session.spec, height - top)
                    if smaller is None:
                        raise
                    plan = smaller
                    job.report.tile_size = (plan.tile_width, plan.tile_height)
        finally:
            picture.close()


def _run_pass(run: PictureRun, plan: TilePlan, top: int) -> None:
    """Runs one pass, and frees all its memory for the next one."""
    with TilePass(run, plan, top) as tiles:
        tiles.run()


def _demand(session: CudaSession, shape: PictureShape) -> DeviceDemand:
    return DeviceDemand.of(session, shape.width * shape.height, shape.pixel_bytes)


def _first_row_needed(finished: int, spec: ModelSpec) -> int:
    """Returns the first input row that the network needs for the output rows from `finished` on.

    The next plan starts there, so its upper border lies in rows that are already finished.
    """
    row = finished // spec.scale - spec.halo - spec.feather
    return max(0, row // spec.multiple_of * spec.multiple_of)


@contextlib.contextmanager
def _errors_mapped(session: CudaSession) -> Iterator[None]:
    try:
        yield
    except session.kernels.CudaError as error:
        raise InferenceError(f"{session.spec.name} failed on the CUDA device: {error}") from error
