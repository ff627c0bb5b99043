"""The network: 3 × 3 convolutions with PReLU, a pixel shuffle, and the nearest-neighbour input added.

Its layers are those of realesr-animevideov3 (SRVGGNetCompact), whose weights training starts from;
the body may have more of them.
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

from tilewright.models.graph.float16 import load_with_float32_weights
from tilewright.models.graph.subgraph import extract_subgraph
from tilewright.models.loader import load_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    Weights = Mapping[str, torch.Tensor]

PUBLISHED = "realesr-animevideov3"
CHANNELS = 64
BODY = 16


class Network(nn.Module):
    """The network of one factor."""

    def __init__(self, scale: int, *, channels: int = CHANNELS, body: int = BODY) -> None:
        """Makes a network with random weights.

        Args:
            scale: The factor.
            channels: Channels of all hidden layers.
            body: Number of convolutions between the first and the head.
        """
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = []
        for inputs in (3, *[channels] * body):
            layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Maps ``[n, 3, h, w]`` in 0..1 to ``[n, 3, h * scale, w * scale]``."""
        details = self.head(self.body(pictures)).float()
        nearest = functional.interpolate(pictures.float(), scale_factor=self.scale, mode="nearest")
        return functional.pixel_shuffle(details, self.scale) + nearest


def network_from(weights: Weights) -> Network:
    """Returns a network with the given weights."""
    network = Network(scale_of(weights), channels=channels_of(weights), body=body_of(weights))
    network.load_state_dict(weights)
    return network


def channels_of(weights: Weights) -> int:
    """Returns the number of channels of the hidden layers."""
    return weights["head.weight"].shape[1]


def body_of(weights: Weights) -> int:
    """Returns the number of convolutions between the first and the head."""
    return len([name for name in weights if name.startswith("body.") and name.endswith(".bias")]) - 1


def scale_of(weights: Weights) -> int:
    """Returns the factor."""
    return math.isqrt(weights["head.bias"].numel() // 3)


def random_weights(scale: int, *, channels: int, body: int, seed: int) -> dict[str, torch.Tensor]:
    """Returns random weights with a head of zeros.

    With these weights, the network is nearest-neighbour interpolation.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(scale, channels=channels, body=body)
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    return network.state_dict()


def published_weights() -> dict[str, torch.Tensor]:
    """Returns the weights of realesr-animevideov3 under the names of a `Network` of factor 4."""
    with tempfile.TemporaryDirectory() as cache:
        return weights_from_onnx(onnx.load(load_model(PUBLISHED, 4, cache_dir=Path(cache)).path))


def weights_from_onnx(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """Returns the weights of an ONNX model under the names of a `Network`, whose layers it must have.

    float16 weights are converted to float32. If there are several heads, that of the largest factor
    is taken.
    """
    largest = max(output.name for output in model.graph.output)
    graph = extract_subgraph(load_with_float32_weights(model.SerializeToString()), largest).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights: dict[str, torch.Tensor] = {}
    # The nodes are in the order of the layers of `Network`.
    layers = [node for node in graph.node if node.op_type in ("Conv", "PRelu")]
    for index, node in enumerate(layers):
        name = "head" if node is layers[-1] else f"body.{index}"
        for kind, source in zip(("weight", "bias"), node.input[1:], strict=False):
            value = torch.from_numpy(arrays[source].copy())
            weights[f"{name}.{kind}"] = value.flatten() if node.op_type == "PRelu" else value
    return weights


def with_head_for(weights: Weights, scale: int) -> dict[str, torch.Tensor]:
    """Returns weights with the same body and a head for another factor.

    The head computes a block of ``scale * scale`` pixels for every input pixel. Every pixel of the
    new block covers parts of pixels of the old block; the new head computes their mean, weighted by
    area.
    """
    old = scale_of(weights)
    edges, old_edges = np.arange(scale + 1) / scale, np.arange(old + 1) / old
    overlap = np.minimum(edges[1:, None], old_edges[None, 1:]) - np.maximum(edges[:-1, None], old_edges[None, :-1])
    share = torch.from_numpy(overlap.clip(0) * scale).float()
    changed = dict(weights)
    for name in ("head.weight", "head.bias"):
        head = weights[name]
        parts = head.reshape(3, old, old, *head.shape[1:])
        changed[name] = torch.einsum("iy,jx,cyx...->cij...", share, share, parts).reshape(-1, *head.shape[1:])
    return changed


def deepen(weights: Weights, body: int) -> dict[str, torch.Tensor]:
    """Adds layers to the body, evenly spaced, without a change of the results.

    An added layer is the identity: its kernel is 1 at the centre of its own channel, and its slopes
    are 1.

    Args:
        weights: Weights of a `Network`.
        body: Number of convolutions that the body is to have.

    Raises:
        ValueError: The body already has more.
    """
    old = network_from(weights)
    before = body_of(weights)
    if body < before:
        raise ValueError(f"the network has {before} layers, which cannot be reduced to {body}")
    new = Network(old.scale, channels=channels_of(weights), body=body)
    new.head.load_state_dict(old.head.state_dict())
    # New index → old index. The first layer stays the first, because its inputs are pixels.
    sources = {0: 0, **{1 + (index * body) // before: 1 + index for index in range(before)}}
    for index in range(1 + body):
        layer, activation = new.body[2 * index], new.body[2 * index + 1]
        if index in sources:
            layer.load_state_dict(old.body[2 * sources[index]].state_dict())
            activation.load_state_dict(old.body[2 * sources[index] + 1].state_dict())
        else:
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
            nn.init.ones_(activation.weight)
    return new.state_dict()
