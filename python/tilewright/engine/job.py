"""`Job`: one picture and the network that it goes through, the input of both executors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tilewright.engine.layers import Fill, Layer
from tilewright.engine.report import Report
from tilewright.errors import InferenceError
from tilewright.models.spec import NO_TAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tilewright._core import TilePlan
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.sessions.base import Session
    from tilewright.engine.sinks import RowSink
    from tilewright.models.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class TileLimits:
    """Limits for cutting a picture into tiles.

    Attributes:
        tile: Width and height of tiles in input pixels; None to let the planner choose.
        memory_budget: Bytes that tiles may take, in the memory that they are in, host or device;
            None to let the planner choose.
    """

    tile: int | None = None
    memory_budget: int | None = None


@dataclass(frozen=True, slots=True)
class PictureShape:
    """The facts about a picture that planning needs.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        pixel_bytes: Bytes of one pixel, with all its channels.
        band_pixel_bytes: Bytes that the sink holds for each output pixel of a band; 0 if rows are
            written to whole arrays.
        layers: Layers that go through the network, all at the same time if it streams.
    """

    width: int
    height: int
    pixel_bytes: int
    band_pixel_bytes: int
    layers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One picture and the network that it goes through.

    Attributes:
        shape: Shape of the picture.
        layers: Layers of the picture, all of its size.
        session: Session that runs the network.
        exact_session: Returns a session of the same network in float32, for tiles whose result is
            not finite.
        sink: Receives the rows.
        limits: Limits for tiles.
        on_progress: Called before the first tile and after each tile; None if nobody listens.
        report: Receives times and counts.
    """

    shape: PictureShape
    layers: Sequence[Layer | Fill]
    session: Session
    exact_session: Callable[[], Session]
    sink: RowSink
    limits: TileLimits = field(default_factory=TileLimits)
    on_progress: OnProgress | None = None
    report: Report = field(default_factory=Report)

    @property
    def network_layers(self) -> list[Layer]:
        """The layers that go through the network."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    @property
    def adds_base(self) -> bool:
        """Whether the canvas adds the batch, enlarged, to the network's result."""
        return (self.session.tail or NO_TAIL).adds_input

    def new_canvas(self, canvas_class: Any, plan: TilePlan) -> Any:
        """Makes the canvas of one layer.

        Args:
            canvas_class: `tilewright._core.Canvas` or the class of that name for a device.
            plan: Plan of the picture.
        """
        spec, tail = self.session.spec, self.session.tail or NO_TAIL
        return canvas_class(
            plan,
            spec.scale,
            planes=spec.planes,
            value_range=spec.value_range,
            shuffle=tail.shuffle,
            adds_base=tail.adds_input,
        )


def nonfinite_error(spec: ModelSpec, count: int, x: int, y: int) -> InferenceError:
    """Returns the error for a tile that has values that are not finite, even in float32.

    Args:
        spec: Spec of the network.
        count: Number of such values.
        x: Column of the picture at which the tile begins.
        y: Row of the picture at which the tile begins.
    """
    return InferenceError(f"{spec.name} returned {count} non-finite values for the tile at ({x}, {y}), even in float32")
