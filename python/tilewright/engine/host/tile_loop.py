"""The loop over the tiles of a plan: gather, run, blend, with the network always busy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright._core import Canvas, TilePlan
from tilewright.engine.host.gathering import gather_tile
from tilewright.engine.job import Job, nonfinite_error
from tilewright.engine.layers import Layer, finish_band, is_flat_tile
from tilewright.engine.progress import ProgressTracker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    import numpy as np
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session
    from tilewright.picture import Pixels

SLOTS = 2
"""Tiles in flight: one is in the network, the other is gathered or blended."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Buffers of one tile in flight.

    Attributes:
        session: The session that made `result`.
        batch: Input of the network.
        result: Output of the network.
    """

    session: Session
    batch: NDArray[np.float32]
    result: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class _Step:
    """One tile of one layer.

    Attributes:
        completes_row: Whether it is the last tile of the last layer of its row.
    """

    index: int
    layer: Layer
    canvas: Canvas
    completes_row: bool


@dataclass(frozen=True, slots=True)
class _Running:
    """A step that is in the network."""

    step: _Step
    batch: NDArray[np.float32]
    future: Future[NDArray[np.floating]]


class TileLoop:
    """Runs all tiles of a plan.

    While one tile is in the network, on a thread of its own, the next one is gathered and the
    previous one is blended.

    Attributes:
        total: Number of steps: tiles times layers.
        batch_shape: Shape of a batch.
    """

    def __init__(self, job: Job, plan: TilePlan) -> None:
        """Prepares the canvases."""
        self._job, self._plan = job, plan
        self._layers = job.network_layers
        self._canvases = [job.new_canvas(Canvas, plan) for _ in self._layers]
        self._progress = ProgressTracker(job.on_progress, job.report)
        self._band: Sequence[Pixels] = ()
        self._done = 0
        self.total = len(plan) * len(self._layers)
        self.batch_shape = (1, job.session.spec.planes, plan.tile_height, plan.tile_width)

    def run(self, network: ThreadPoolExecutor, slots: Sequence[Slot]) -> None:
        """Runs all tiles and finishes the sink.

        Args:
            network: Thread that runs the network.
            slots: Buffers, `SLOTS` of them, or one if there is only one step.

        Raises:
            InferenceError: The runtime failed, or a tile is not finite in float32 either.
        """
        self._progress.announce(remaining=self.total, rows=0)
        running: _Running | None = None
        for number, step in enumerate(self._steps()):
            slot = slots[number % SLOTS]
            gather_tile(self._job, step.layer, self._plan, step.index, slot.batch)
            previous, result = running, self._await(running)
            compute = self._flat_result if is_flat_tile(step.layer, self._plan, step.index) else self._job.session.run
            running = _Running(step, slot.batch, network.submit(compute, slot.batch, slot.result))
            self._finish(previous, result)
        self._finish(running, self._await(running))
        with self._job.report.stage("encode"):
            self._job.sink.finish()

    def _steps(self) -> Iterator[_Step]:
        columns = self._plan.columns
        for index in range(len(self._plan)):
            for layer, canvas in zip(self._layers, self._canvases, strict=True):
                last = index % columns == columns - 1 and layer is self._layers[-1]
                yield _Step(index, layer, canvas, last)

    def _flat_result(self, batch: NDArray[np.float32], result: NDArray[np.floating]) -> NDArray[np.floating]:
        """Stands in for the network on a tile of constant alpha."""
        result[...] = 0 if self._job.adds_base else batch.flat[0]
        return result

    def _await(self, running: _Running | None) -> NDArray[np.floating] | None:
        if running is None:
            return None
        with self._job.report.stage("network"):
            return running.future.result()

    def _finish(self, finished: _Running | None, result: NDArray[np.floating] | None) -> None:
        """Blends a tile, and completes its band after the row's last tile."""
        if finished is None or result is None:
            return
        step = finished.step
        row, column = divmod(step.index, self._plan.columns)
        begin, end = step.canvas.band(row)
        if column == 0 and step.layer is self._layers[0]:
            with self._job.report.stage("encode"):
                self._band = self._job.sink.band(begin, end)
        with self._job.report.stage("blend"):
            nonfinite = self._blend(step, finished.batch, result)
        if nonfinite:
            self._repeat_in_float32(step, finished.batch)
        if step.completes_row:
            with self._job.report.stage("blend"):
                finish_band(self._job.layers, self._band, begin, self._job.session.spec.scale)
        self._done += 1
        self._progress.tile_done(
            self._plan.tile_width * self._plan.tile_height,
            remaining=self.total - self._done,
            rows=end if step.completes_row else begin,
        )

    def _blend(self, step: _Step, batch: NDArray[np.float32], result: NDArray[np.floating]) -> int:
        """Returns the number of values that are not finite."""
        layer = step.layer
        base = batch[0] if self._job.adds_base else None
        return step.canvas.blend(step.index, result[0], self._band[layer.target], layer.first, layer.count, base=base)

    def _repeat_in_float32(self, step: _Step, batch: NDArray[np.float32]) -> None:
        """Runs a tile again in float32, which has a larger range than shorter formats."""
        job = self._job
        job.report.repeated_tiles += 1
        with job.report.stage("network"):
            result = job.exact_session().run(batch)
        if nonfinite := self._blend(step, batch, result):
            tile = self._plan[step.index]
            raise nonfinite_error(job.session.spec, nonfinite, tile.x.origin, tile.y.origin)
