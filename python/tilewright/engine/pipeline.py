"""The loop over the plan: gather, run, blend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilewright._core import Canvas, TilePlan, gather
from tilewright.engine.progress import OnProgress, Progress
from tilewright.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tilewright.engine.sessions import Session
    from tilewright.models.spec import ModelSpec
    from tilewright.picture import Pixels


@dataclass(frozen=True, slots=True)
class Layer:
    """Channels of a picture that go through the network together.

    Attributes:
        source: ``[H, W, C]``.
        channels: which channel of `source` feeds each plane of the network.
        target: ``[H * scale, W * scale, C]`` of the same dtype, to be filled.
        first: first channel of `target` to write.
        count: how many: all planes, or 1 for their mean.
    """

    source: Pixels
    channels: tuple[int, ...]
    target: Pixels
    first: int
    count: int


def layers_for(source: Pixels, target: Pixels, spec: ModelSpec) -> list[Layer]:
    """How a picture of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels goes through a network.

    Grey and alpha are shown to a colour network as grey and come back as the mean of its planes; a network of one plane
    sees the channels one by one. Alpha that is the same everywhere is filled in here: a network would only disturb it.
    """
    channels = source.shape[2]
    colours = 3 if channels >= 3 else 1
    if spec.channel_order == "Y":
        layers = [Layer(source, (channel,), target, channel, 1) for channel in range(colours)]
    else:
        layers = [Layer(source, (0, 1, 2) if colours == 3 else (0, 0, 0), target, 0, colours)]
    if channels > colours:
        layers += alpha_layers(source, target, spec, channels - 1)
    return layers


def alpha_layers(source: Pixels, target: Pixels, spec: ModelSpec, channel: int = 0) -> list[Layer]:
    """How the alpha in a channel goes through a network: not at all when it is the same everywhere."""
    alpha = source[:, :, channel]
    if alpha.min() == alpha.max():
        target[:, :, channel] = alpha[0, 0]
        return []
    return [Layer(source, (channel,) * (1 if spec.channel_order == "Y" else 3), target, channel, 1)]


def run(
    layers: Sequence[Layer],
    plan: TilePlan,
    session: Session,
    *,
    exact_session: Callable[[], Session],
    on_progress: OnProgress | None = None,
) -> None:
    """Runs every tile of every layer and fills the targets, from top to bottom.

    Args:
        layers: of one picture, all of the plan's size.
        plan: made for the picture and the session's network.
        session: runs the network.
        exact_session: gives one in float32, for tiles whose result is not finite.
        on_progress: called before the first tile and after every one.

    Raises:
        InferenceError: the runtime failed, or a tile is not finite in float32 either.
    """
    spec = session.spec
    planes = len(layers[0].channels)
    canvases = [Canvas(plan, spec.scale, planes=planes, value_range=spec.value_range) for _ in layers]
    batch = np.empty((1, planes, plan.tile_height, plan.tile_width), np.float32)
    total = len(plan) * len(layers)
    done = 0
    if on_progress is not None:
        on_progress(Progress(done, total, 0, 0))
    for index in range(len(plan)):
        row = index // plan.columns
        begin, end = canvases[0].band(row)
        for layer, canvas in zip(layers, canvases, strict=True):
            gather(layer.source, plan, index, batch, channels=layer.channels, value_range=spec.value_range)
            band = layer.target[begin:end]
            result = _checked(session.run(batch), batch, spec)
            if canvas.blend(index, result[0], band, layer.first, layer.count):
                result = _checked(exact_session().run(batch), batch, spec)
                if spoilt := canvas.blend(index, result[0], band, layer.first, layer.count):
                    x, y = plan[index].x, plan[index].y
                    raise InferenceError(
                        f"{spec.name} gave {spoilt} values that are not finite for the tile at "
                        f"({x.origin}, {y.origin}), in float32 too"
                    )
            done += 1
            if on_progress is not None:
                rows = end if index % plan.columns == plan.columns - 1 and layer is layers[-1] else begin
                on_progress(Progress(done, total, rows, done * plan.tile_width * plan.tile_height))


def _checked(result: NDArray[np.float32], batch: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.float32]:
    """A result of another size means that the spec is wrong about the network, which the user may have given."""
    count, planes, height, width = batch.shape
    expected = (count, planes, height * spec.scale, width * spec.scale)
    if result.shape != expected:
        raise InferenceError(f"{spec.name} returned shape {result.shape}, where its spec says {expected}")
    return result
