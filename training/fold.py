"""Makes of a network at the input's resolution one at half of it, at the same cost, that makes nearly the same.

Seen at half the resolution, a layer of 64 channels has 256: every channel at the four pixels of a square. Half of them
are kept: of even channels the pixels on one diagonal, of odd channels those on the other. What a layer would have read
of the rest is guessed from what is left, by least squares on pictures, layer after layer, each made to repair what the
ones before it lost (the reconstruction of He, Zhang and Sun, "Channel Pruning for Accelerating Very Deep Neural
Networks", 2017). The result is a far better start than chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from training.network import Network, network_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

# Of the four pixels of a square, row by row, those that even and odd channels keep.
_DIAGONALS = ((0, 3), (1, 2))
BLOCK = 2

# What is added to the normal equations, against their mean: pictures do not tell every weight.
_RIDGE = 1e-4


@torch.no_grad()
def folded(weights: Mapping[str, torch.Tensor], pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weights of a network of block 2.

    Args:
        weights: of a network of block 1.
        pictures: what it is to be right on, ``[n, 3, h, w]`` in 0..1, sides even.
    """
    old = network_of(weights).eval()
    channels = old.head.in_channels
    places = BLOCK**2
    kept = torch.tensor([places * channel + place for channel in range(channels) for place in _DIAGONALS[channel % 2]])
    new = Network(old.scale, channels=len(kept), body=len(old.body) // 2 - 1, block=BLOCK)

    wanted, seen = pictures, functional.pixel_unshuffle(pictures, BLOCK)
    for index in range(0, len(old.body), 2):
        wanted = old.body[index](wanted)
        made = _fit(new.body[index], seen, functional.pixel_unshuffle(wanted, BLOCK)[:, kept])
        wanted = old.body[index + 1](wanted)
        new.body[index + 1].weight.copy_(old.body[index + 1].weight.repeat_interleave(places)[kept])
        seen = new.body[index + 1](made)
    _fit(new.head, seen, functional.pixel_unshuffle(old.head(wanted), BLOCK))
    return new.state_dict()


def _fit(layer: nn.Conv2d, seen: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Gives a layer the weights that bring it nearest to what is wanted of it; returns what it makes then."""
    size = layer.weight[0].numel() + 1
    squares = torch.zeros(size, size, dtype=torch.float64)
    products = torch.zeros(size, layer.out_channels, dtype=torch.float64)
    # One picture at a time: nine times the layer's input is much for all of them.
    for picture, target in zip(seen, wanted, strict=True):
        windows = functional.unfold(picture[None], 3, padding=1)[0]
        windows = torch.cat([windows, windows.new_ones(1, windows.shape[1])])
        squares += (windows @ windows.T).double()
        products += (windows @ target.flatten(1).T).double()
    squares += torch.eye(size) * _RIDGE * squares.diagonal().mean()
    solved = torch.linalg.solve(squares, products).float()
    layer.weight.copy_(solved[:-1].T.reshape(layer.weight.shape))
    layer.bias.copy_(solved[-1])
    return layer(seen)
