"""Runs pictures directly on an executor, without an `Upscaler`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.engine.host.executor import HostExecutor
from tilewright.engine.job import Job, PictureShape, TileLimits
from tilewright.engine.layers import colour_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tilewright._core import TilePlan
    from tilewright.engine.executor import Executor
    from tilewright.engine.layers import Fill, Layer
    from tilewright.engine.sessions.base import Session
    from tilewright.engine.sinks import RowSink


def run_picture(
    picture: Any, plan: TilePlan, session: Session, sink: RowSink, *, executor: Executor | None = None, **options: Any
) -> None:
    """Runs an array ``[H, W, C]`` on an executor, by default a new one for the host."""
    run_layers(colour_layers(picture, session.spec), plan, session, sink, executor=executor, **options)


def run_layers(
    layers: Sequence[Layer | Fill],
    plan: TilePlan,
    session: Session,
    sink: RowSink,
    *,
    executor: Executor | None = None,
    exact_session: Callable[[], Session] | None = None,
    memory_budget: int | None = None,
    **options: Any,
) -> None:
    """Runs layers on an executor.

    Args:
        layers: Layers of a picture.
        plan: Plan of the picture.
        session: Runs the network.
        sink: Receives the rows.
        executor: None for a new one for the host.
        exact_session: None for `session` itself.
        memory_budget: Budget of the job in bytes.
        options: Further fields of `Job`.
    """
    job = Job(
        shape=PictureShape(plan.width, plan.height, pixel_bytes=0, band_pixel_bytes=sink.pixel_bytes),
        layers=layers,
        session=session,
        exact_session=exact_session or (lambda: session),
        sink=sink,
        limits=TileLimits(memory_budget=memory_budget),
        **options,
    )
    (executor or HostExecutor()).run(job, plan)
