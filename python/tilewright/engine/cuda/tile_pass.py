"""The loop over the tiles of a plan on a device: gather, run, blend.

All work on tiles is queued on one stream, in the order of its dependencies. The host waits for one
thing only: before it blends a tile, it reads how many non-finite values the previous tile had. When
it waits for the last tile of a batch, the next batch is already in the network, so the device stays
busy.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.cuda.bands import BandFormat, BandRing
from tilewright.engine.cuda.planner import DeviceDemand, batch_size
from tilewright.engine.job import nonfinite_error
from tilewright.engine.layers import Fill, finish_band, is_flat_tile
from tilewright.engine.sessions.base import DeviceMemoryError, device_memory
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import ThreadPoolExecutor

    from tilewright._core import TilePlan
    from tilewright._cuda import DeviceImage, DeviceTensor, Stream
    from tilewright.engine.buffers import BufferPool
    from tilewright.engine.cuda.bands import BandSlot
    from tilewright.engine.cuda.picture import DevicePicture
    from tilewright.engine.job import Job
    from tilewright.engine.progress import ProgressTracker
    from tilewright.engine.sessions.cuda import BoundNetwork


@dataclass(slots=True)
class PictureRun:
    """A picture on the device while its tiles run, in one pass or several.

    Attributes:
        job: The picture and how it is run.
        session: The session of the job.
        picture: The picture in device memory.
        bands: Memory of bands, kept from picture to picture.
        budget: Bytes of device memory that a batch may take.
        thread: Thread that hands bands to the sink.
        progress: Counts finished tiles.
        finished: Output rows, from the top, that the sink has or that are on their way to it.
    """

    job: Job
    session: CudaSession
    picture: DevicePicture
    bands: BufferPool[BandSlot]
    budget: int
    thread: ThreadPoolExecutor
    progress: ProgressTracker
    finished: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    """A tile of one layer. The layers of a tile follow each other, so that they share batches.

    Attributes:
        number: Position in the order of all items.
        tile: Index of the tile in the plan.
        layer: Index of the layer.
        row: Row of tiles.
        begins_row: Whether it is the first item of its row.
        ends_row: Whether it is the last item of its row.
        flat: Whether it need not run, see `is_flat_tile`.
    """

    number: int
    tile: int
    layer: int
    row: int
    begins_row: bool
    ends_row: bool
    flat: bool


@dataclass(frozen=True, slots=True)
class _Tile:
    """Input and output of the network for one tile, and the stream that they are written on."""

    batch: DeviceTensor
    result: DeviceTensor
    stream: Stream


class TilePass:
    """Runs the tiles of one plan, which covers the picture from row `top` on. A context manager."""

    def __init__(self, run: PictureRun, plan: TilePlan, top: int) -> None:
        """Allocates memory for everything but the network.

        Raises:
            DeviceMemoryError: The device has not enough memory.
        """
        self._run, self._plan, self._top = run, plan, top
        self._job, self._session, self._picture = run.job, run.session, run.picture
        self._layers = run.job.network_layers
        self._total = len(plan) * len(self._layers)
        kernels, spec = self._session.kernels, self._session.spec
        band_format = _band_format(run.job, plan)
        demand = DeviceDemand.of(self._session, plan.width * plan.height, band_format.pixel_bytes)
        self._size = batch_size(plan, spec.scale, self._total, demand=demand, memory_budget=run.budget)
        self._bound: BoundNetwork | None = None
        self._blank_tile: _Tile | None = None
        self._blended: _Item | None = None
        self._band: dict[int, DeviceImage] = {}
        self._sources = [run.picture.below(layer.source, top) for layer in self._layers]
        complete = partial(finish_band, run.job.layers, scale=spec.scale)
        with device_memory(spec.name):
            self._canvases = [run.job.new_canvas(kernels.Canvas, plan) for _ in self._layers]
            self._counts = kernels.DeviceBuffer(8)
            self._count = kernels.PinnedBuffer(8).array((1,), np.uint64)
            self._counted = kernels.Event()
            self._ring = BandRing(kernels, band_format, run.job.sink, complete, run.bands, plan.rows)

    def __enter__(self) -> TilePass:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, DeviceMemoryError):
            self._ring.finish()  # the next pass continues after these bands
        # After a device error, waiting would only fail again.
        ignored = () if kind is None else (self._session.kernels.CudaError,)
        with contextlib.suppress(*ignored):
            if self._bound is not None:
                self._bound.stream.synchronize()
                self._session.give_back(self._bound)
            self._ring.close(keep=kind is None)

    def run(self) -> None:
        """Runs all tiles.

        Raises:
            DeviceMemoryError: There is not enough memory for one tile.
            InferenceError: The runtime failed, or a tile is not finite in float32 either.
        """
        number = 0
        while number < self._total:
            items = self._next_items(number)
            try:
                tiles = self._infer(items)
            except DeviceMemoryError:
                self._complete_last_tile()
                if self._size == 1:
                    raise
                self._size //= 2
                continue
            for item, tile in zip(items, tiles, strict=True):
                self._complete_last_tile()
                self._blend(item, tile)
            number += len(items)
        self._complete_last_tile()
        with self._job.report.stage("encode"):
            self._ring.finish()

    def _next_items(self, number: int) -> list[_Item]:
        """Returns the items of the next batch, and the flat ones between them, without places."""
        items: list[_Item] = []
        places = self._size
        while number < self._total:
            item = self._item(number)
            if not item.flat:
                if places == 0:
                    break
                places -= 1
            items.append(item)
            number += 1
        return items

    def _item(self, number: int) -> _Item:
        tile, layer = divmod(number, len(self._layers))
        row, column = divmod(tile, self._plan.columns)
        last = column == self._plan.columns - 1 and layer == len(self._layers) - 1
        flat = is_flat_tile(self._layers[layer], self._plan, tile, top=self._top)
        return _Item(number, tile, layer, row, begins_row=column == 0 and layer == 0, ends_row=last, flat=flat)

    def _infer(self, items: Sequence[_Item]) -> list[_Tile]:
        """Runs a batch and returns where the result of each item will be.

        If the batch has more places than items, the remaining places keep their old content.
        """
        seen = [item for item in items if not item.flat]
        bound = self._run_batch(seen) if seen else None
        places = iter(range(len(seen)))
        tiles = []
        for item in items:
            if item.flat or bound is None:
                tiles.append(self._blank())
            else:
                place = next(places)
                tiles.append(_Tile(bound.batch[place], bound.result[place], bound.stream))
        return tiles

    def _blank(self) -> _Tile:
        """Returns the tile that is blended for flat ones.

        Any finite values are sufficient, because `finish_band` overwrites them.
        """
        if self._blank_tile is None:
            batch, result, stream = self._session.blank(self._plan.tile_height, self._plan.tile_width)
            self._blank_tile = _Tile(batch, result, stream)
        return self._blank_tile

    def _run_batch(self, items: Sequence[_Item]) -> BoundNetwork:
        report, row = self._job.report, items[-1].row
        if self._bound is None:
            self._bound = self._take(self._session, self._size)
        bound = self._bound
        with report.stage("gather"):
            self._picture.upload(self._bottom(row))
            self._picture.await_rows(bound.stream)
            for place, item in enumerate(items):
                self._gather(item, bound.batch[place], bound.stream)
        with report.stage("network"):
            try:
                bound.enqueue()
            except DeviceMemoryError:
                self._bound = None  # a second run would fail too
                raise
        with report.stage("gather"):
            self._picture.upload(self._bottom(row + 1))
        return bound

    def _take(self, session: CudaSession, count: int) -> BoundNetwork:
        """Opens a network while no other thread of ours calls CUDA."""
        with self._job.report.stage("encode"):
            self._ring.finish()
        with self._job.report.stage("open"):
            return session.take(count, self._plan.tile_height, self._plan.tile_width)

    def _bottom(self, row: int) -> int:
        """Returns the row of the picture at which a row of tiles ends."""
        span = self._plan[min(row, self._plan.rows - 1) * self._plan.columns].y
        return self._top + min(span.origin + self._plan.tile_height, self._plan.height)

    def _gather(self, item: _Item, batch: DeviceTensor, stream: Stream) -> None:
        self._session.kernels.gather(
            self._sources[item.layer],
            self._plan,
            item.tile,
            batch,
            stream,
            channels=self._layers[item.layer].channels,
            value_range=self._session.spec.value_range,
        )

    def _blend(self, item: _Item, tile: _Tile) -> None:
        if item.begins_row:
            begin, end = self._canvases[item.layer].band(item.row)
            with self._job.report.stage("encode"):
                self._band = self._ring.begin(end - begin)
        with self._job.report.stage("blend"):
            self._queue_blend(item, tile)
        self._blended = item

    def _queue_blend(self, item: _Item, tile: _Tile) -> None:
        layer = self._layers[item.layer]
        self._canvases[item.layer].blend(
            item.tile,
            tile.result,
            self._band[layer.target],
            tile.stream,
            nonfinite=self._counts,
            first_channel=layer.first,
            channels=layer.count,
            base=tile.batch if self._job.adds_base else None,
        )
        self._session.kernels.download(self._counts, self._count, tile.stream)
        self._counted.record(tile.stream)

    def _complete_last_tile(self) -> None:
        """Waits for the last blended tile, and repeats it in float32 if it is not finite."""
        item, self._blended = self._blended, None
        if item is None:
            return
        with self._job.report.stage("network"):
            self._counted.synchronize()
        if self._count[0]:
            self._repeat_in_float32(item)
        if item.ends_row:
            self._send_band(item)
        self._run.progress.tile_done(
            self._plan.tile_width * self._plan.tile_height,
            remaining=self._total - item.number - 1,
            rows=self._run.finished,
        )

    def _send_band(self, item: _Item) -> None:
        """Sends a band to the sink. If an earlier pass got further, only the new rows of it."""
        begin, end = self._canvases[item.layer].band(item.row)
        offset = self._top * self._session.spec.scale
        first = max(self._run.finished, offset + begin)
        if first < offset + end:
            self._ring.send(end - begin, first, offset + end, self._run.thread)
            self._run.finished = offset + end

    def _repeat_in_float32(self, item: _Item) -> None:
        """Runs a tile again in float32, which has a larger range, and blends it again."""
        self._job.report.repeated_tiles += 1
        with self._job.report.stage("network"):
            exact = self._job.exact_session()
            if not isinstance(exact, CudaSession):
                raise InferenceError(f"{self._session.spec.name} is not finite, and CUDA cannot run it in float32")
            bound = self._take(exact, 1)
            try:
                self._picture.await_rows(bound.stream)
                self._gather(item, bound.batch, bound.stream)
                bound.enqueue()
                self._queue_blend(item, _Tile(bound.batch, bound.result, bound.stream))
                self._counted.synchronize()
            finally:
                exact.give_back(bound)
        if nonfinite := int(self._count[0]):
            tile = self._plan[item.tile]
            raise nonfinite_error(self._session.spec, nonfinite, tile.x.origin, self._top + tile.y.origin)


def _band_format(job: Job, plan: TilePlan) -> BandFormat:
    layers, scale = job.network_layers, job.session.spec.scale
    ends = [(layer.target, layer.first + layer.count + layer.copies) for layer in layers]
    ends += [(fill.target, fill.channel + 1) for fill in job.layers if isinstance(fill, Fill)]
    channels = {layer.target: max(end for target, end in ends if target == layer.target) for layer in layers}
    return BandFormat(plan.tile_height * scale, plan.width * scale, layers[0].source.dtype, channels)
