"""The loop over the bands of a plan: gather, advance, blend, with the network always busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewright._core import Canvas, TilePlan
from tilewright.engine.host.gathering import gather_tile
from tilewright.engine.job import Job, nonfinite_error
from tilewright.engine.layers import Layer, finish_band
from tilewright.engine.progress import ProgressTracker
from tilewright.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import RowStream, Streaming
    from tilewright.picture import Pixels


class _LayerStream:
    """One layer on its way through the network.

    There are two arrays of rows and two of results: one of each is in the network, the other is
    gathered or blended.
    """

    def __init__(self, layer: Layer, canvas: Canvas, stream: RowStream, job: Job, plan: TilePlan) -> None:
        self.layer, self.canvas, self.stream = layer, canvas, stream
        shape = (1, job.session.spec.planes, plan.tile_height, plan.tile_width)
        self._rows = [np.empty(shape, np.float32) for _ in range(2)]
        self._results = [job.session.new_result(shape) for _ in range(2)]
        self.gathered = 0  # bands
        self.completed = 0  # bands of the result

    def next_rows(self) -> NDArray[np.float32]:
        """Returns the array for the next band of the input."""
        return self._rows[self.gathered % 2]

    def advance(self, rows: NDArray[np.float32]) -> bool:
        """Takes a band; returns whether a band of the result is complete."""
        return self.stream.advance(rows[0], self._results[self.completed % 2][0])

    def take_result(self) -> NDArray[np.floating]:
        """Returns the result of the band that has just been completed."""
        result = self._results[self.completed % 2]
        self.completed += 1
        return result


class StreamLoop:
    """Runs all layers of a picture as streams, band by band and in step with each other."""

    def __init__(self, job: Job, plan: TilePlan, streaming: Streaming) -> None:
        """Opens the streams.

        Args:
            job: The picture.
            plan: Its bands, see `TilePlan.bands`.
            streaming: Opens streams of the job's session.
        """
        self._job, self._plan = job, plan
        self._layers = [
            _LayerStream(layer, job.new_canvas(Canvas, plan), streaming.open_stream(plan.height, plan.width), job, plan)
            for layer in job.network_layers
        ]
        self._total = sum(layer.stream.rounds for layer in self._layers)
        self._progress = ProgressTracker(job.on_progress, job.report)
        self._band: Sequence[Pixels] = ()
        self._done = 0
        self._rows = 0  # finished, of the output
        planes = job.session.spec.planes
        # What the canvas adds to a result is the input of that band, which lies some bands behind.
        self._base = np.empty((1, planes, plan.tile_height, plan.tile_width), np.float32) if job.adds_base else None

    def run(self, network: ThreadPoolExecutor) -> None:
        """Runs all bands and finishes the sink.

        Args:
            network: Thread that runs the network.

        Raises:
            InferenceError: A result is not finite.
        """
        self._progress.announce(remaining=self._total, rows=0)
        running: tuple[_LayerStream, Future[bool]] | None = None
        while any(layer.completed < len(self._plan) for layer in self._layers):
            for layer in self._layers:
                rows = layer.next_rows()
                if layer.gathered < len(self._plan):
                    gather_tile(self._job, layer.layer, self._plan, layer.gathered, rows)
                    layer.gathered += 1
                finished = self._await(running)
                advanced = running is not None
                running = None
                if not layer.stream.is_done:
                    running = layer, network.submit(layer.advance, rows)
                if finished is not None:
                    self._finish(*finished)
                if advanced:
                    self._count()
        with self._job.report.stage("encode"):
            self._job.sink.finish()

    def _await(
        self, running: tuple[_LayerStream, Future[bool]] | None
    ) -> tuple[_LayerStream, NDArray[np.floating]] | None:
        """Waits for the network; returns the result if a band was completed."""
        if running is None:
            return None
        layer, future = running
        try:
            with self._job.report.stage("network"):
                is_complete = future.result()
        except ValueError as error:  # the engine's result has another shape than the spec promises
            raise InferenceError(f"{self._job.session.spec.name} failed: {error}") from error
        return (layer, layer.take_result()) if is_complete else None

    def _finish(self, finished: _LayerStream, result: NDArray[np.floating]) -> None:
        """Blends a band, and completes it after the last layer."""
        job, layer, index = self._job, finished.layer, finished.completed - 1
        begin, end = finished.canvas.band(index)
        if finished is self._layers[0]:
            with job.report.stage("encode"):
                self._band = job.sink.band(begin, end)
        if self._base is not None:
            gather_tile(job, layer, self._plan, index, self._base)
        base = None if self._base is None else self._base[0]
        with job.report.stage("blend"):
            nonfinite = finished.canvas.blend(
                index, result[0], self._band[layer.target], layer.first, layer.count, base=base
            )
            if nonfinite:
                raise nonfinite_error(job.session.spec, nonfinite, 0, self._plan[index].y.origin)
            is_last = finished is self._layers[-1]
            if is_last:
                finish_band(job.layers, self._band, begin, job.session.spec.scale)
        self._rows = end if is_last else begin

    def _count(self) -> None:
        """Counts a call of `RowStream.advance`. Deep networks take many before the first result is complete."""
        pixels = self._plan.width * self._plan.height * len(self._layers)
        before, self._done = self._done, self._done + 1
        self._progress.tile_done(
            pixels * self._done // self._total - pixels * before // self._total,
            remaining=self._total - self._done,
            rows=self._rows,
        )
