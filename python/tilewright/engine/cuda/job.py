"""One picture on a device: what it is made of, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilewright.engine.cuda.bands import BandForm, BandMemory
from tilewright.engine.host.pipeline import Fill, Layer, keep_flat
from tilewright.engine.progress import OnProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tilewright._core import TilePlan
    from tilewright.engine.report import Report
    from tilewright.engine.sessions import Session
    from tilewright.engine.sessions.cuda import CudaSession
    from tilewright.engine.sinks import RowSink
    from tilewright.picture import Pixels


@dataclass
class Job:
    """One picture, and how far it is.

    Attributes:
        finished: output rows, from the top, that the sink has or that are on their way there.
    """

    all_layers: Sequence[Layer | Fill]
    session: CudaSession
    sink: RowSink
    exact_session: Callable[[], Session]
    on_progress: OnProgress | None
    report: Report
    memory: BandMemory
    finished: int = 0
    _done: int = field(default=0, init=False)
    _pixels: int = field(default=0, init=False)

    @property
    def fills(self) -> list[Fill]:
        """What no network sees."""
        return [layer for layer in self.all_layers if isinstance(layer, Fill)]

    @property
    def layers(self) -> list[Layer]:
        """What the network sees."""
        return [layer for layer in self.all_layers if isinstance(layer, Layer)]

    @property
    def sources(self) -> list[Pixels]:
        """The arrays that are gathered from, each once."""
        return list({id(layer.source): layer.source for layer in self.layers}.values())

    def band_form(self, plan: TilePlan) -> BandForm:
        """Of the plan's bands."""
        scale = self.session.spec.scale
        ends = [(layer.target, layer.first + layer.count) for layer in self.layers]
        ends += [(fill.target, fill.channel + 1) for fill in self.fills]
        channels = {layer.target: max(end for target, end in ends if target == layer.target) for layer in self.layers}
        return BandForm(plan.tile_height * scale, plan.width * scale, self.sources[0].dtype, channels)

    def complete(self, band: Sequence[Pixels], begin: int) -> None:
        """What no tile has a part in: channels that are the same everywhere, and alpha that is flat."""
        for fill in self.fills:
            band[fill.target][:, :, fill.channel] = fill.value
        for layer in self.layers:
            if layer.is_alpha:
                keep_flat(layer, band, begin // self.session.spec.scale)

    def tile_done(self, pixels: int, *, left: int) -> None:
        """Notes that one more is, and says so."""
        self._done += 1
        self._pixels += pixels
        self.report.tiles = self._done
        self.tell(left=left)

    def tell(self, *, left: int) -> None:
        """Says how far it is, with so many tiles to come."""
        if self.on_progress is not None:
            self.on_progress(Progress(self._done, self._done + left, self.finished, self._pixels))
