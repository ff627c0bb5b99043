"""The network: all 3×3 convolutions, pixel shuffle at the end, the enlarged input added.

The layers are those of realesr-animevideov3 (SRVGGNetCompact), whose weights training starts from. They may also be at
half the input's resolution, with twice the channels: `fold.py` makes such a network of one of these.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional

from tilewright.models.part import part_making
from tilewright.models.source import load_model
from tilewright.models.widen import read_widened

if TYPE_CHECKING:
    from collections.abc import Mapping

START = "realesr-animevideov3"
CHANNELS = 64
BODY = 16


class Network(nn.Module):
    """``[n, 3, h, w]`` in 0..1 to ``[n, 3, h * scale, w * scale]``; sides are multiples of `block`.

    Squares of `block` pixels a side are one position of the layers.
    """

    def __init__(self, scale: int, *, channels: int = CHANNELS, body: int = BODY, block: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.block = block
        layers: list[nn.Module] = []
        for planes in (3 * block**2, *[channels] * body):
            layers += [nn.Conv2d(planes, channels, 3, padding=1), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 3 * scale**2 * block**2, 3, padding=1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        features = self.body(functional.pixel_unshuffle(pictures, self.block))
        details = functional.pixel_shuffle(self.head(features).float(), self.block)
        enlarged = functional.interpolate(pictures.float(), scale_factor=self.scale, mode="nearest")
        return functional.pixel_shuffle(details, self.scale) + enlarged


def network_of(weights: Mapping[str, torch.Tensor]) -> Network:
    """The network that has these weights."""
    body = len([name for name in weights if name.startswith("body.") and name.endswith(".bias")]) - 1
    channels = weights["head.weight"].shape[1]
    network = Network(scale_of(weights), channels=channels, body=body, block=block_of(weights))
    network.load_state_dict(weights)
    return network


def block_of(weights: Mapping[str, torch.Tensor]) -> int:
    """The side of the squares that are one position of a network with these weights."""
    return math.isqrt(weights["body.0.weight"].shape[1] // 3)


def scale_of(weights: Mapping[str, torch.Tensor]) -> int:
    """The factor of a network with these weights."""
    return math.isqrt(weights["head.bias"].numel() // 3) // block_of(weights)


def start_weights() -> dict[str, torch.Tensor]:
    """The weights of realesr-animevideov3 under the names of a factor-4 `Network`."""
    with tempfile.TemporaryDirectory() as cache:
        return weights_of(onnx.load(load_model(START, 4, cache_dir=Path(cache)).path))


def weights_of(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The weights of an ONNX file with these layers, float16 ones widened, under the names of a `Network`.

    Of several heads the one of the largest factor is taken.
    """
    largest = max(output.name for output in model.graph.output)
    graph = part_making(read_widened(model.SerializeToString()), largest).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights: dict[str, torch.Tensor] = {}
    # Convolutions and slopes in the order of the graph, which is the order of the network's own parameters.
    layers = [node for node in graph.node if node.op_type in ("Conv", "PRelu")]
    for index, node in enumerate(layers):
        name = "head" if node is layers[-1] else f"body.{index}"
        for kind, source in zip(("weight", "bias"), node.input[1:], strict=False):
            value = torch.from_numpy(arrays[source].copy())
            weights[f"{name}.{kind}"] = value.flatten() if node.op_type == "PRelu" else value
    blocks = [helper.get_node_attr_value(node, "blocksize") for node in graph.node if node.op_type == "SpaceToDepth"]
    # An exported file may have empty planes after those of the squares.
    planes = 3 * (blocks[0] if blocks else 1) ** 2
    weights["body.0.weight"] = planes_first(weights["body.0.weight"][:, :planes])
    return weights


def planes_first(weight: torch.Tensor) -> torch.Tensor:
    """Weights of a layer that reads squares, from ONNX's order of their values (`SpaceToDepth`) to PyTorch's."""
    return weight.unflatten(1, (-1, 3)).transpose(1, 2).flatten(1, 2)


def places_first(weight: torch.Tensor) -> torch.Tensor:
    """The way back."""
    return weight.unflatten(1, (3, -1)).transpose(1, 2).flatten(1, 2)


def with_head_for(weights: Mapping[str, torch.Tensor], scale: int) -> dict[str, torch.Tensor]:
    """Weights of another factor: the body as it is, and a head that makes the area averages of what this one makes.

    Every input pixel becomes ``scale`` squared pixels; one of those covers parts of the pixels that the old head made
    of the same input pixel, and starts as their mean.
    """
    old, places = scale_of(weights), block_of(weights) ** 2
    edges, old_edges = np.arange(scale + 1) / scale, np.arange(old + 1) / old
    shared = np.minimum(edges[1:, None], old_edges[None, 1:]) - np.maximum(edges[:-1, None], old_edges[None, :-1])
    share = torch.from_numpy(shared.clip(0) * scale).float()
    changed = dict(weights)
    for name in ("head.weight", "head.bias"):
        head = weights[name]
        parts = head.reshape(3, old, old, places, *head.shape[1:])
        changed[name] = torch.einsum("iy,jx,cyx...->cij...", share, share, parts).reshape(-1, *head.shape[1:])
    return changed
