"""The network: all 3×3 convolutions at the input's resolution, pixel shuffle at the end, the enlarged input added.

The layers are those of realesr-animevideov3 (SRVGGNetCompact), whose weights training starts from.
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

from tilewright.models.source import load_model
from tilewright.models.widen import read_widened

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
        details = functional.pixel_shuffle(self.head(self.body(pictures)).float(), self.scale)
        return details + functional.interpolate(pictures.float(), scale_factor=self.scale, mode="nearest")


def start_weights() -> dict[str, torch.Tensor]:
    """The weights of realesr-animevideov3 under the names of a factor-4 `Network`."""
    with tempfile.TemporaryDirectory() as cache:
        return weights_of(onnx.load(load_model(START, 4, cache_dir=Path(cache)).path))


def weights_of(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The weights of an ONNX file with these layers, float16 ones widened, under the names of a `Network`."""
    graph = read_widened(model.SerializeToString()).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # Convolutions and slopes in the order of the graph, which is the order of the network's own parameters.
    found = [
        torch.from_numpy(arrays[name].copy()).squeeze((1, 2) if node.op_type == "PRelu" else ())
        for node in graph.node
        if node.op_type in ("Conv", "PRelu")
        for name in node.input[1:]
    ]
    return dict(zip(Network(4).state_dict(), found, strict=True))


def scale_of(weights: Mapping[str, torch.Tensor]) -> int:
    """The factor of a network with these weights."""
    return math.isqrt(weights["head.bias"].numel() // 3)


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
