"""The loop over a plan on a device: gather, run, blend.

All work on tiles is put on one stream, where each step finds done what it needs. The host waits for one thing only: the
count of values that are not finite in the tile that was blended last, before the next one is. For the last tile of a
batch the next batch is in the network by then, so the device has something to do meanwhile.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.alpha import FLAT_RADIUS
from tilewright.engine.cuda.bands import BandRing
from tilewright.engine.cuda.planner import DeviceDemand, batch_size
from tilewright.engine.host.pipeline import not_finite
from tilewright.engine.sessions.base import DeviceMemoryError, device_memory
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.errors import InferenceError
from tilewright.models.graph.tail import NO_TAIL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import ThreadPoolExecutor

    from tilewright._core import TilePlan
    from tilewright._cuda import DeviceImage, Stream, DeviceTensor
    from tilewright.engine.cuda.job import Job
    from tilewright.engine.cuda.picture import DevicePicture
    from tilewright.engine.host.pipeline import Layer
    from tilewright.engine.sessions.cuda import BoundNetwork


@dataclass(frozen=True, slots=True)
class _Item:
    """A tile of a layer. Those of one tile follow each other, so that they share batches.

    Attributes:
        flat: whether it need not run: alpha that is the same everywhere stays as it is.
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
    """What the network was given and what it gives, and the stream that this is put on."""

    batch: DeviceTensor
    result: DeviceTensor
    stream: Stream


class DevicePass:
    """The tiles of one plan, over the picture from row `top` on. A context, which gives back what it took."""

    def __init__(
        self, job: Job, plan: TilePlan, top: int, picture: DevicePicture, budget: int, thread: ThreadPoolExecutor
    ) -> None:
        """Takes memory for all but the network.

        Raises:
            DeviceMemoryError: there is not as much.
        """
        self._job, self._plan, self._top, self._picture, self._thread = job, plan, top, picture, thread
        self._session, self._layers = job.session, job.layers
        self._total = len(plan) * len(self._layers)
        kernels, spec = job.session.kernels, job.session.spec
        form = job.band_form(plan)
        demand = DeviceDemand.of(job.session, plan.width * plan.height, form.pixel_bytes)
        self._size = batch_size(plan, spec.scale, self._total, demand=demand, memory_budget=budget)
        tail = job.session.tail or NO_TAIL
        self._adds_base = tail.adds_input
        self._bound: BoundNetwork | None = None
        self._blank_tile: _Tile | None = None
        self._blended: _Item | None = None
        self._band: dict[int, DeviceImage] = {}
        self._sources = [picture.below(layer.source, top) for layer in self._layers]
        with device_memory(spec.name):
            self._canvases = [
                kernels.Canvas(
                    plan,
                    spec.scale,
                    planes=job.session.planes,
                    value_range=spec.value_range,
                    shuffle=tail.shuffle,
                    adds_base=tail.adds_input,
                )
                for _ in self._layers
            ]
            self._counts = kernels.DeviceBuffer(8)
            self._count = kernels.PinnedBuffer(8).array((1,), np.uint64)
            self._counted = kernels.Event()
            self._ring = BandRing(kernels, form, job.sink, job.complete, job.memory, plan.rows)

    def __enter__(self) -> DevicePass:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, DeviceMemoryError):
            self._ring.finish()  # another pass goes on from there
        # After an error of the device nothing can be waited for.
        ignored = () if kind is None else (self._session.kernels.CudaError,)
        with contextlib.suppress(*ignored):
            if self._bound is not None:
                self._bound.stream.synchronize()
                self._session.give_back(self._bound)
            self._ring.close(keep=kind is None)

    def run(self) -> None:
        """Runs all tiles.

        Raises:
            DeviceMemoryError: there is not as much memory as one tile takes.
            InferenceError: see `tilewright.engine.cuda.pipeline.run`.
        """
        number = 0
        while number < self._total:
            items = self._next_items(number)
            try:
                tiles = self._infer(items)
            except DeviceMemoryError:
                self._settle()
                if self._size == 1:
                    raise
                self._size //= 2
                continue
            for item, tile in zip(items, tiles, strict=True):
                self._settle()
                self._blend(item, tile)
            number += len(items)
        self._settle()
        with self._job.report.stage("encode"):
            self._ring.finish()

    def _next_items(self, number: int) -> list[_Item]:
        """As many as one batch holds, with the flat ones among them."""
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
        flat = self._is_flat(tile, self._layers[layer])
        return _Item(number, tile, layer, row, begins_row=column == 0 and layer == 0, ends_row=last, flat=flat)

    def _is_flat(self, index: int, layer: Layer) -> bool:
        if not layer.is_alpha or self._plan.halo < FLAT_RADIUS:
            return False
        tile, plan = self._plan[index], self._plan
        rows = slice(self._top + tile.y.origin, self._top + min(tile.y.origin + plan.tile_height, plan.height))
        alpha = layer.source[rows, tile.x.origin : tile.x.origin + plan.tile_width, layer.channels[0]]
        return bool(alpha.min() == alpha.max())

    def _infer(self, items: Sequence[_Item]) -> list[_Tile]:
        """Puts a batch through the network, and says where each item's result will be.

        Where it has more places than items, those hold what they held before.
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
        """What is blended for a flat tile: anything finite, since it is all written over."""
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
                self._bound = None  # it would fail again
                raise
        with report.stage("gather"):
            self._picture.upload(self._bottom(row + 1))
        return bound

    def _take(self, session: CudaSession, count: int) -> BoundNetwork:
        """Opens a network while nothing of ours calls CUDA from another thread."""
        with self._job.report.stage("encode"):
            self._ring.finish()
        with self._job.report.stage("open"):
            return session.take(count, self._plan.tile_height, self._plan.tile_width)

    def _bottom(self, row: int) -> int:
        """The row of the picture above which a row of tiles lies."""
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
            self._put_blend(item, tile)
        self._blended = item

    def _put_blend(self, item: _Item, tile: _Tile) -> None:
        layer = self._layers[item.layer]
        self._canvases[item.layer].blend(
            item.tile,
            tile.result,
            self._band[layer.target],
            tile.stream,
            nonfinite=self._counts,
            first_channel=layer.first,
            channels=layer.count,
            base=tile.batch if self._adds_base else None,
        )
        self._session.kernels.download(self._counts, self._count, tile.stream)
        self._counted.record(tile.stream)

    def _settle(self) -> None:
        """Waits for the tile that was blended last, and sees to it that it is good."""
        item, self._blended = self._blended, None
        if item is None:
            return
        with self._job.report.stage("network"):
            self._counted.synchronize()
        if self._count[0]:
            self._run_again(item)
        if item.ends_row:
            self._send_band(item)
        pixels = self._plan.tile_width * self._plan.tile_height
        self._job.tile_done(pixels, left=self._total - item.number - 1)

    def _send_band(self, item: _Item) -> None:
        """Hands on what is new of the band: where a pass before this one came farther, that may be a part of it."""
        begin, end = self._canvases[item.layer].band(item.row)
        offset = self._top * self._session.spec.scale
        wanted = max(self._job.finished, offset + begin)
        if wanted < offset + end:
            self._ring.send(end - begin, wanted, offset + end, self._thread)
            self._job.finished = offset + end

    def _run_again(self, item: _Item) -> None:
        """A tile that is not finite is run in float32, which has a larger range, and blended once more."""
        self._job.report.repeated_tiles += 1
        with self._job.report.stage("network"):
            exact = self._job.exact_session()
            if not isinstance(exact, CudaSession):
                raise InferenceError(f"{self._session.spec.name} is not finite, and CUDA does not run it in float32")
            bound = self._take(exact, 1)
            try:
                self._picture.await_rows(bound.stream)
                self._gather(item, bound.batch, bound.stream)
                bound.enqueue()
                self._put_blend(item, _Tile(bound.batch, bound.result, bound.stream))
                self._counted.synchronize()
            finally:
                exact.give_back(bound)
        if spoilt := int(self._count[0]):
            tile = self._plan[item.tile]
            raise not_finite(self._session.spec, spoilt, tile.x.origin, self._top + tile.y.origin)
