"""Grouping of a picture's channels into layers, which go through the network one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilewright._core import keep_flat_alpha

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright._core import TilePlan
    from tilewright.models.spec import ModelSpec
    from tilewright.picture import Pixels

FLAT_RADIUS = 2
"""Alpha that is constant within this many input pixels keeps its value in the result.

A network moves an edge by less than a pixel, so what it does to alpha further from an edge is not
detail. Two pixels from the edges of a sprite, the networks of the catalog are off by 2 or 3 of 255,
and SPAN leaves specks of up to 255 next to edges that are not smooth.
"""

# Rows that are compared at a time to find out whether a picture is grey.
_COMPARED_ROWS = 64


@dataclass(frozen=True, slots=True)
class Layer:
    """Channels of a picture that go through the network together.

    Attributes:
        source: ``[H, W, C]``.
        channels: For each plane of the network, the channel of `source` that feeds it.
        target: Index of the sink's array that receives the result.
        first: First channel of that array to write.
        count: Number of channels to write: all planes, or 1 for their mean.
        copies: Number of channels after those that get a copy of the channel `first`.
        is_alpha: Whether locally constant values are restored after the network.
    """

    source: Pixels
    channels: tuple[int, ...]
    target: int
    first: int
    count: int
    copies: int = 0
    is_alpha: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """A channel of one constant value.

    It does not go through the network, which would only change it slightly.

    Attributes:
        value: Value of all its samples.
        target: Index of the sink's array to fill.
        channel: Channel of that array.
    """

    value: int
    target: int
    channel: int


def picture_layers(pixels: Pixels, alpha: Pixels | None, spec: ModelSpec) -> list[Layer | Fill]:
    """Returns the layers of a picture.

    Args:
        pixels: ``[H, W, C]`` with 1 to 4 channels. They go to the sink's first array.
        alpha: ``[H, W]``, separate alpha; it goes to the sink's second array. None if there is
            none.
        spec: Spec of the network.
    """
    layers = colour_layers(pixels, spec)
    if alpha is not None:
        layers += alpha_layers(alpha[:, :, np.newaxis], spec, target=1)
    return layers


def colour_layers(source: Pixels, spec: ModelSpec, *, target: int = 0) -> list[Layer | Fill]:
    """Returns the layers of an array with 1 to 4 channels.

    The channels are grey; grey and alpha; RGB; or RGB and alpha. A colour network receives grey and
    alpha as three equal planes, and the mean of its planes is the result. A network of one plane
    receives the channels one by one.

    RGB whose three channels are equal everywhere is treated as grey, and the result is copied to
    all three: networks give neutral pixels a tint, at hard edges of up to 55 levels of 255.
    """
    channels = source.shape[2]
    colours = 3 if channels >= 3 else 1
    layers: list[Layer | Fill]
    if colours == 1 or is_grey(source):
        layers = [Layer(source, (0,) * spec.planes, target, 0, 1, copies=colours - 1)]
    elif spec.planes == 1:
        layers = [Layer(source, (channel,), target, channel, 1) for channel in range(colours)]
    else:
        layers = [Layer(source, (0, 1, 2), target, 0, colours)]
    if channels > colours:
        layers += alpha_layers(source, spec, target=target, channel=channels - 1)
    return layers


def is_grey(pixels: Pixels) -> bool:
    """Returns whether red, green and blue are equal everywhere.

    The comparison ends at the first rows with a colour. For 24 megapixels without any, it takes
    about 0.1 s.

    Args:
        pixels: ``[H, W, C]`` with at least 3 channels; only the first three count.
    """
    for top in range(0, pixels.shape[0], _COMPARED_ROWS):
        red, green, blue = (pixels[top : top + _COMPARED_ROWS, :, channel] for channel in range(3))
        if not (np.array_equal(red, green) and np.array_equal(green, blue)):
            return False
    return True


def alpha_layers(source: Pixels, spec: ModelSpec, *, target: int, channel: int = 0) -> list[Layer | Fill]:
    """Returns the layer of an alpha channel, or a fill if all its values are equal."""
    alpha = source[:, :, channel]
    if alpha.min() == alpha.max():
        return [Fill(int(alpha[0, 0]), target, channel)]
    return [Layer(source, (channel,) * spec.planes, target, channel, 1, is_alpha=True)]


def is_flat_tile(layer: Layer, plan: TilePlan, index: int, *, top: int = 0) -> bool:
    """Returns whether a tile need not run, because its alpha is constant and is restored anyway.

    This depends on the picture and the plan only, so skipping a tile changes no byte of the result.

    Args:
        layer: The layer that the tile is cut from.
        plan: Plan of the picture, or of its rows from `top` on.
        index: Index of the tile in the plan.
        top: First row of the picture that the plan covers.
    """
    if not layer.is_alpha or plan.halo < FLAT_RADIUS:
        return False
    tile = plan[index]
    rows = slice(top + tile.y.origin, top + min(tile.y.origin + plan.tile_height, plan.height))
    columns = slice(tile.x.origin, tile.x.origin + plan.tile_width)
    alpha = layer.source[rows, columns, layer.channels[0]]
    return bool(alpha.min() == alpha.max())


def finish_band(layers: Sequence[Layer | Fill], band: Sequence[Pixels], begin: int, scale: int) -> None:
    """Completes a band after all its tiles are blended.

    Writes constant channels, copies grey to all colours, and restores flat alpha.

    Args:
        layers: Layers of the picture.
        band: The sink's arrays ``[rows, width, channels]`` for the band.
        begin: First output row of the band.
        scale: Scale of the network.
    """
    for layer in layers:
        if isinstance(layer, Fill):
            band[layer.target][:, :, layer.channel] = layer.value
            continue
        if layer.copies:
            end = layer.first + layer.count
            grey = band[layer.target][:, :, layer.first, np.newaxis]
            band[layer.target][:, :, end : end + layer.copies] = grey
        if layer.is_alpha:
            keep_flat_alpha(
                layer.source, layer.channels[0], begin // scale, band[layer.target], layer.first, radius=FLAT_RADIUS
            )
