"""The loop over the plan: gather, run, blend, with the network busy all the time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilewright._core import Canvas, TilePlan, gather, keep_flat_alpha
from tilewright.engine.alpha import FLAT_RADIUS
from tilewright.engine.progress import OnProgress, Progress
from tilewright.engine.report import Report
from tilewright.errors import InferenceError
from tilewright.models.graph.tail import NO_TAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tilewright.engine.sessions import Session
    from tilewright.engine.sinks import RowSink
    from tilewright.models.spec import ModelSpec
    from tilewright.picture import Pixels


SLOTS = 2
"""Tiles on their way at once: one in the network, one before or behind it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Channels of a picture that go through the network together.

    Attributes:
        source: ``[H, W, C]``.
        channels: which channel of `source` feeds each plane of the network.
        target: which array of the sink's bands to fill.
        first: first channel of it to write.
        count: how many: all planes, or 1 for their mean.
        is_alpha: whether it keeps its value where that is the same all round.
    """

    source: Pixels
    channels: tuple[int, ...]
    target: int
    first: int
    count: int
    is_alpha: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """A channel that is the same everywhere, which a network would only disturb.

    Attributes:
        value: of all its samples.
        target: which array of the sink's bands to fill.
        channel: of it.
    """

    value: int
    target: int
    channel: int


Layers = list[Layer | Fill]


def colour_layers(source: Pixels, spec: ModelSpec, *, target: int = 0) -> Layers:
    """How a picture of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels goes through a network.

    Grey and alpha are shown to a colour network as grey and come back as the mean of its planes; a network of one plane
    sees the channels one by one.
    """
    channels = source.shape[2]
    colours = 3 if channels >= 3 else 1
    layers: Layers
    if spec.channel_order == "Y":
        layers = [Layer(source, (channel,), target, channel, 1) for channel in range(colours)]
    else:
        layers = [Layer(source, (0, 1, 2) if colours == 3 else (0, 0, 0), target, 0, colours)]
    if channels > colours:
        layers += alpha_layers(source, spec, target=target, channel=channels - 1)
    return layers


def alpha_layers(source: Pixels, spec: ModelSpec, *, target: int, channel: int = 0) -> Layers:
    """How the alpha in a channel goes through a network: not at all when it is the same everywhere."""
    alpha = source[:, :, channel]
    if alpha.min() == alpha.max():
        return [Fill(int(alpha[0, 0]), target, channel)]
    return [Layer(source, (channel,) * (1 if spec.channel_order == "Y" else 3), target, channel, 1, is_alpha=True)]


def not_finite(spec: ModelSpec, count: int, x: int, y: int) -> InferenceError:
    """What to raise for a tile, at a place in the picture, that float32 did not mend."""
    return InferenceError(
        f"{spec.name} gave {count} values that are not finite for the tile at ({x}, {y}), in float32 too"
    )


def keep_flat(layer: Layer, band: Sequence[Pixels], row: int) -> None:
    """Gives alpha that is the same all round its value again, in a band that begins at a row of the picture."""
    keep_flat_alpha(layer.source, layer.channels[0], row, band[layer.target], layer.first, radius=FLAT_RADIUS)


def run(
    layers: Sequence[Layer | Fill],
    plan: TilePlan,
    session: Session,
    sink: RowSink,
    *,
    exact_session: Callable[[], Session],
    on_progress: OnProgress | None = None,
    report: Report | None = None,
    buffers: Buffers | None = None,
) -> None:
    """Runs every tile of every layer and fills the sink, from top to bottom.

    While one tile is in the network, on a thread of its own, the next is gathered and the one before is blended.

    Args:
        layers: of one picture, all of the plan's size.
        plan: made for the picture and the session's network.
        session: runs the network.
        sink: takes the rows.
        exact_session: gives one in float32, for tiles whose result is not finite.
        on_progress: called before the first tile and after every one.
        report: takes the times.
        buffers: kept from picture to picture; by default new ones.

    Raises:
        InferenceError: the runtime failed, or a tile is not finite in float32 either.
    """
    buffers = buffers or Buffers()
    loop = _Loop(layers, plan, session, sink, exact_session, on_progress, report or Report())
    slots = buffers.take(session, loop.shape, min(SLOTS, loop.total))
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="tilewright-network") as network:
            loop.run(network, slots)
    finally:
        buffers.keep(session, loop.shape, slots)


@dataclass(frozen=True, slots=True)
class _Slot:
    """Buffers of one tile on its way: a second one is in the network meanwhile."""

    batch: NDArray[np.float32]
    result: NDArray[np.floating]


class Buffers:
    """The slots of the picture before, for the next one: memory that is new takes time when it is first touched.

    While a picture has them they are gone from here, so one that is begun meanwhile gets its own.
    """

    def __init__(self) -> None:
        self._fit: tuple[Session, tuple[int, ...]] | None = None
        self._slots: list[_Slot] = []

    def take(self, session: Session, shape: tuple[int, ...], count: int) -> list[_Slot]:
        """Slots for batches of this shape; their content has no meaning."""
        slots = self._slots if self._fit == (session, shape) else []
        self.clear()
        for _ in range(count - len(slots)):
            slots.append(_Slot(np.empty(shape, np.float32), session.new_result(shape)))
        return slots

    def keep(self, session: Session, shape: tuple[int, ...], slots: list[_Slot]) -> None:
        """Takes them back."""
        self._fit, self._slots = (session, shape), slots

    def clear(self) -> None:
        """Lets go of all."""
        self._fit, self._slots = None, []


@dataclass(frozen=True, slots=True)
class _Step:
    """One tile of one layer."""

    index: int
    layer: Layer
    canvas: Canvas
    last: bool  # of its tile


@dataclass(frozen=True, slots=True)
class _Running:
    """A step that is in the network."""

    step: _Step
    batch: NDArray[np.float32]
    future: Future[NDArray[np.floating]]


class _Loop:
    def __init__(
        self,
        layers: Sequence[Layer | Fill],
        plan: TilePlan,
        session: Session,
        sink: RowSink,
        exact_session: Callable[[], Session],
        on_progress: OnProgress | None,
        report: Report,
    ) -> None:
        self._plan, self._session, self._sink = plan, session, sink
        self._exact_session, self._on_progress, self._report = exact_session, on_progress, report
        spec = session.spec
        self._fills = [layer for layer in layers if isinstance(layer, Fill)]
        self._layers = [layer for layer in layers if isinstance(layer, Layer)]
        planes = len(self._layers[0].channels)
        tail = session.tail or NO_TAIL
        self._adds_base = tail.adds_input
        self._canvases = [
            Canvas(
                plan,
                spec.scale,
                planes=planes,
                value_range=spec.value_range,
                shuffle=tail.shuffle,
                adds_base=tail.adds_input,
            )
            for _ in self._layers
        ]
        self.total = len(plan) * len(self._layers)
        self.shape = (1, planes, plan.tile_height, plan.tile_width)
        self._band: Sequence[Pixels] = ()
        self._done = 0

    def run(self, network: ThreadPoolExecutor, slots: Sequence[_Slot]) -> None:
        self._tell(0)
        running: _Running | None = None
        for number, step in enumerate(self._steps()):
            slot = slots[number % SLOTS]
            with self._report.stage("gather"):
                gather(
                    step.layer.source,
                    self._plan,
                    step.index,
                    slot.batch,
                    channels=step.layer.channels,
                    value_range=self._session.spec.value_range,
                )
            before, result = running, self._wait(running)
            compute = self._flat_result if self._is_flat(step.layer, slot.batch) else self._session.run
            running = _Running(step, slot.batch, network.submit(compute, slot.batch, slot.result))
            self._blend(before, result)
        self._blend(running, self._wait(running))
        with self._report.stage("encode"):
            self._sink.finish()

    def _steps(self) -> Iterator[_Step]:
        for index in range(len(self._plan)):
            for layer, canvas in zip(self._layers, self._canvases, strict=True):
                yield _Step(index, layer, canvas, layer is self._layers[-1])

    def _is_flat(self, layer: Layer, batch: NDArray[np.float32]) -> bool:
        """Whether a tile need not run: with a halo as wide as that, all it owns is kept as it is anyway."""
        return layer.is_alpha and self._plan.halo >= FLAT_RADIUS and bool(batch.min() == batch.max())

    def _flat_result(self, batch: NDArray[np.float32], result: NDArray[np.floating]) -> NDArray[np.floating]:
        result[...] = 0 if self._adds_base else batch.flat[0]
        return result

    def _wait(self, running: _Running | None) -> NDArray[np.floating] | None:
        if running is None:
            return None
        with self._report.stage("network"):
            return running.future.result()

    def _blend(self, finished: _Running | None, result: NDArray[np.floating] | None) -> None:
        if finished is None or result is None:
            return
        step = finished.step
        row, column = divmod(step.index, self._plan.columns)
        begin, end = step.canvas.band(row)
        if column == 0 and step.layer is self._layers[0]:
            self._begin_band(begin, end)
        with self._report.stage("blend"):
            spoilt = self._blended(step, finished.batch, result)
        if spoilt:
            self._run_again(step, finished.batch)
        if step.layer.is_alpha and column == self._plan.columns - 1:
            with self._report.stage("blend"):
                keep_flat(step.layer, self._band, begin // self._session.spec.scale)
        self._done += 1
        self._tell(end if step.last and column == self._plan.columns - 1 else begin)

    def _begin_band(self, begin: int, end: int) -> None:
        with self._report.stage("encode"):
            self._band = self._sink.band(begin, end)
        for fill in self._fills:
            self._band[fill.target][:, :, fill.channel] = fill.value

    def _blended(self, step: _Step, batch: NDArray[np.float32], result: NDArray[np.floating]) -> int:
        layer = step.layer
        base = batch[0] if self._adds_base else None
        return step.canvas.blend(step.index, result[0], self._band[layer.target], layer.first, layer.count, base=base)

    def _run_again(self, step: _Step, batch: NDArray[np.float32]) -> None:
        """A tile that is not finite is run in float32, which has a larger range than the runtime's shorter formats."""
        self._report.repeated_tiles += 1
        with self._report.stage("network"):
            result = self._exact_session().run(batch)
        if spoilt := self._blended(step, batch, result):
            tile = self._plan[step.index]
            raise not_finite(self._session.spec, spoilt, tile.x.origin, tile.y.origin)

    def _tell(self, rows: int) -> None:
        self._report.tiles = self._done
        if self._on_progress is not None:
            pixels = self._done * self._plan.tile_width * self._plan.tile_height
            self._on_progress(Progress(self._done, self.total, rows, pixels))
