"""One picture through one network: by tiles on the host, or by tiles that stay on the session's device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.alpha import with_bled_colour
from tilewright.engine.cuda import pipeline as cuda_pipeline
from tilewright.engine.cuda.bands import BandMemory
from tilewright.engine.cuda.planner import DeviceDemand, default_device_budget, plan_device_tiles
from tilewright.engine.host import pipeline as host_pipeline
from tilewright.engine.host.pipeline import Buffers, alpha_layers, colour_layers
from tilewright.engine.planner import Demand, plan_tiles
from tilewright.engine.sessions.cuda import CudaSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewright._core import TilePlan
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.report import Report
    from tilewright.engine.sessions import Session
    from tilewright.engine.sinks import RowSink
    from tilewright.picture import Pixels


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may take.

    Attributes:
        tile: width and height of tiles in input pixels; None for the planner's choice.
        memory_budget: bytes, of the host's memory or of the device's, wherever tiles are; None for the planner's
            choice.
    """

    tile: int | None = None
    memory_budget: int | None = None


@dataclass(frozen=True, slots=True)
class KeptBuffers:
    """What is kept from picture to picture, of either pipeline."""

    host: Buffers = field(default_factory=Buffers)
    device: BandMemory = field(default_factory=BandMemory)

    def clear(self) -> None:
        """Lets go of all."""
        self.host.clear()
        self.device.clear()


def enlarge(
    pixels: Pixels,
    alpha: Pixels | None,
    session: Session,
    sink: RowSink,
    *,
    limits: Limits,
    exact_session: Callable[[], Session],
    on_progress: OnProgress | None,
    report: Report,
    buffers: KeptBuffers,
) -> None:
    """Arrays ``[H, W, C]`` and ``[H, W]`` of one size through the network, tile by tile, into a sink for both.

    Args:
        pixels: colour, with or without alpha.
        alpha: alpha by itself.
        session: runs the network.
        sink: takes the rows.
        limits: what it may take.
        exact_session: see `tilewright.engine.host.pipeline.run`, as the rest.
        on_progress: see there.
        report: takes the times and what the picture ran on.
        buffers: kept from picture to picture.

    Raises:
        ModelError, TilewrightError: see `plan_tiles`.
        InferenceError: see `tilewright.engine.host.pipeline.run`.
    """
    with report.stage("gather"):
        pixels = with_bled_colour(pixels, alpha)
    layers = colour_layers(pixels, session.spec)
    if alpha is not None:
        layers += alpha_layers(alpha[:, :, np.newaxis], session.spec, target=1)
    height, width, channels = pixels.shape
    if isinstance(session, CudaSession):
        pixel_bytes = (channels + (alpha is not None)) * pixels.itemsize
        plan = plan_on_device(width, height, session, limits, pixel_bytes=pixel_bytes)
        report.describe(plan, session)
        cuda_pipeline.run(
            layers,
            plan,
            session,
            sink,
            exact_session=exact_session,
            on_progress=on_progress,
            report=report,
            buffers=buffers.device,
            memory_budget=limits.memory_budget,
        )
        return
    plan = plan_on_host(width, height, session, limits, band_pixel=sink.pixel_bytes)
    report.describe(plan, session)
    host_pipeline.run(
        layers,
        plan,
        session,
        sink,
        exact_session=exact_session,
        on_progress=on_progress,
        report=report,
        buffers=buffers.host,
    )


def plan_on_host(width: int, height: int, session: Session, limits: Limits, *, band_pixel: float) -> TilePlan:
    """See `plan_tiles`."""
    demand = Demand.of(session, band_pixel=band_pixel)
    return plan_tiles(width, height, session.spec, demand=demand, tile=limits.tile, memory_budget=limits.memory_budget)


def plan_on_device(width: int, height: int, session: CudaSession, limits: Limits, *, pixel_bytes: int) -> TilePlan:
    """See `plan_device_tiles`."""
    return plan_device_tiles(
        width,
        height,
        session.spec,
        demand=DeviceDemand.of(session, width * height, pixel_bytes),
        tile=limits.tile,
        memory_budget=limits.memory_budget or default_device_budget(session.kernels),
    )
