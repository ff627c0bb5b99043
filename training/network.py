"""The network: all 3×3 convolutions, pixel shuffle at the end, the enlarged input added.

The layers are those of realesr-animevideov3 (SRVGGNetCompact), whose weights training starts from; there may be more
of them.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from tilewright.models.graph.subgraph import part_making
from tilewright.models.graph.widen import read_widened
from tilewright.models.loader import load_model

if TYPE_CHECKING:
    from collections.abc import Mapping

START = "realesr-animevideov3"
CHANNELS = 64
BODY = 16


class Network(nn.Module):
    """``[n, 3, h, w]`` in 0..1 to ``[n, 3, h * scale, w * scale]``."""

    def __init__(self, scale: int, *, channels: int = CHANNELS, body: int = BODY) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = []
        for planes in (3, *[channels] * body):
            layers += [nn.Conv2d(planes, channels, 3, padding=1), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        details = self.head(self.body(pictures)).float()
        enlarged = functional.interpolate(pictures.float(), scale_factor=self.scale, mode="nearest")
        return functional.pixel_shuffle(details, self.scale) + enlarged


def network_of(weights: Mapping[str, torch.Tensor]) -> Network:
    """The network that has these weights."""
    network = Network(scale_of(weights), channels=channels_of(weights), body=body_of(weights))
    network.load_state_dict(weights)
    return network


def channels_of(weights: Mapping[str, torch.Tensor]) -> int:
    """How many channels the layers of a network with these weights have."""
    return weights["head.weight"].shape[1]


def body_of(weights: Mapping[str, torch.Tensor]) -> int:
    """How many convolutions a network with these weights has between the first and the head."""
    return len([name for name in weights if name.startswith("body.") and name.endswith(".bias")]) - 1


def scale_of(weights: Mapping[str, torch.Tensor]) -> int:
    """The factor of a network with these weights."""
    return math.isqrt(weights["head.bias"].numel() // 3)


def new_weights(scale: int, *, channels: int, body: int, seed: int) -> dict[str, torch.Tensor]:
    """Weights by chance, of a network that repeats pixels at first."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(scale, channels=channels, body=body)
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    return network.state_dict()


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
    return weights


def with_head_for(weights: Mapping[str, torch.Tensor], scale: int) -> dict[str, torch.Tensor]:
    """Weights of another factor: the body as it is, and a head that makes the area averages of what this one makes.

    Every input pixel becomes ``scale`` squared pixels; one of those covers parts of the pixels that the old head made
    of the same input pixel, and starts as their mean.
    """
    old = scale_of(weights)
    edges, old_edges = np.arange(scale + 1) / scale, np.arange(old + 1) / old
    shared = np.minimum(edges[1:, None], old_edges[None, 1:]) - np.maximum(edges[:-1, None], old_edges[None, :-1])
    share = torch.from_numpy(shared.clip(0) * scale).float()
    changed = dict(weights)
    for name in ("head.weight", "head.bias"):
        head = weights[name]
        parts = head.reshape(3, old, old, *head.shape[1:])
        changed[name] = torch.einsum("iy,jx,cyx...->cij...", share, share, parts).reshape(-1, *head.shape[1:])
    return changed


def deepened(weights: Mapping[str, torch.Tensor], body: int) -> dict[str, torch.Tensor]:
    """Weights of a network with more layers, spread evenly among those there are, that makes the same.

    A new layer gives on what it reads: its middle weights are 1 on their own channel, and its slopes are 1.

    Raises:
        ValueError: fewer layers than there are.
    """
    old = network_of(weights)
    before = body_of(weights)
    if body < before:
        raise ValueError(f"the network has {before} layers, which cannot become {body}")
    new = Network(old.scale, channels=channels_of(weights), body=body)
    new.head.load_state_dict(old.head.state_dict())
    # Of the new network's layers, the one that every old layer becomes; the first reads pixels and stays the first.
    places = {0: 0, **{1 + (index * body) // before: 1 + index for index in range(before)}}
    for index in range(1 + body):
        layer, activation = new.body[2 * index], new.body[2 * index + 1]
        if index in places:
            layer.load_state_dict(old.body[2 * places[index]].state_dict())
            activation.load_state_dict(old.body[2 * places[index] + 1].state_dict())
        else:
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
            nn.init.ones_(activation.weight)
    return new.state_dict()
