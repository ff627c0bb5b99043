"""A picture by tiles that stay on a device: gathered, run and blended there, and only finished bands come back."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tilewright.engine.cuda.bands import BandMemory
from tilewright.engine.cuda.job import Job
from tilewright.engine.cuda.picture import DevicePicture
from tilewright.engine.cuda.planner import default_device_budget, smaller_tiles
from tilewright.engine.cuda.tile_pass import DevicePass
from tilewright.engine.report import Report
from tilewright.engine.sessions.base import DeviceMemoryError, device_memory
from tilewright.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tilewright._core import TilePlan
    from tilewright.engine.host.pipeline import Fill, Layer
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.sessions import Session
    from tilewright.engine.sessions.cuda import CudaSession
    from tilewright.engine.sinks import RowSink
    from tilewright.models.spec import ModelSpec


def run(
    layers: Sequence[Layer | Fill],
    plan: TilePlan,
    session: CudaSession,
    sink: RowSink,
    *,
    exact_session: Callable[[], Session],
    on_progress: OnProgress | None = None,
    report: Report | None = None,
    buffers: BandMemory | None = None,
    memory_budget: int | None = None,
) -> None:
    """As `tilewright.engine.host.pipeline.run`, on a device.

    Rows go there, tiles are run, and bands come back and are taken by the sink, all at once. Where the device has less
    memory than was thought, batches become smaller and then tiles, and what is finished by then stays.

    Args:
        layers: of one picture, all of the plan's size.
        plan: made for the picture and the session's network.
        session: runs the network.
        sink: takes the rows, on a thread of its own.
        exact_session: gives one in float32, for tiles whose result is not finite.
        on_progress: called before the first tile and after every one.
        report: takes the times of this thread: those of the device are in that of waiting for the network.
        buffers: kept from picture to picture; by default new ones.
        memory_budget: bytes of the device that a batch may need; None for `default_device_budget`.

    Raises:
        DeviceMemoryError: the device has not as much memory as the smallest tile takes.
        InferenceError: the runtime failed, or a tile is not finite in float32 either.
    """
    job = Job(layers, session, sink, exact_session, on_progress, report or Report(), buffers or BandMemory())
    with _errors_mapped(session), ThreadPoolExecutor(1, thread_name_prefix="tilewright-bands") as thread:
        budget = default_device_budget(session.kernels) if memory_budget is None else memory_budget
        try:
            _run_plans(job, plan, budget, thread)
        except BaseException:
            thread.shutdown(cancel_futures=True)  # nobody wants the bands that are still on their way
            raise
    with job.report.stage("encode"):
        sink.finish()


def _run_plans(job: Job, plan: TilePlan, budget: int, thread: ThreadPoolExecutor) -> None:
    """By the plan that was made, or by others of smaller tiles for what that one cannot do."""
    spec, height, top = job.session.spec, plan.height, 0
    with device_memory(spec.name):
        picture = DevicePicture(job.session.kernels, job.sources)
    job.tell(left=len(plan) * len(job.layers))
    try:
        while True:
            try:
                _run_plan(job, plan, top, picture, budget, thread)
                return
            except DeviceMemoryError:
                top = _first_row_needed(job.finished, spec)
                smaller = smaller_tiles(plan, spec, height - top)
                if smaller is None:
                    raise
                plan = smaller
                job.report.tile_size = (plan.tile_width, plan.tile_height)
    finally:
        picture.close()


def _run_plan(
    job: Job, plan: TilePlan, top: int, picture: DevicePicture, budget: int, thread: ThreadPoolExecutor
) -> None:
    """Holds on to nothing of a pass when it is over: the next one needs the memory."""
    with DevicePass(job, plan, top, picture, budget, thread) as tiles:
        tiles.run()


def _first_row_needed(finished: int, spec: ModelSpec) -> int:
    """Row of the picture from which on a network has to see it, for what is below the finished rows of the output.

    What the plan takes for the picture's upper border then lies in rows that are finished.
    """
    row = finished // spec.scale - spec.halo - spec.feather
    return max(0, row // spec.multiple_of * spec.multiple_of)


@contextlib.contextmanager
def _errors_mapped(session: CudaSession) -> Iterator[None]:
    try:
        yield
    except session.kernels.CudaError as error:
        raise InferenceError(f"{session.spec.name} failed on the CUDA device: {error}") from error
