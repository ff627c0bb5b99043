"""PyTorch with RRDBNet, the network of realesrgan-x4plus, and the weights of the ONNX file.

X. Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", 2018,
section 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESIDUAL = 0.2
SLOPE = 0.2


class _DenseBlock(nn.Module):
    """Five densely connected convolutions with a scaled residual."""

    def __init__(self, convolutions: Iterator[nn.Conv2d]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(next(convolutions) for _ in range(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [x]
        for layer in self.layers[:-1]:
            features.append(functional.leaky_relu(layer(torch.cat(features, 1)), SLOPE))
        return self.layers[-1](torch.cat(features, 1)) * RESIDUAL + x


class _ResidualBlock(nn.Module):
    """Residual-in-residual dense block: three dense blocks with a scaled residual."""

    def __init__(self, convolutions: Iterator[nn.Conv2d]) -> None:
        super().__init__()
        self.parts = nn.Sequential(*(_DenseBlock(convolutions) for _ in range(3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts(x) * RESIDUAL + x


class Rrdb(nn.Module):
    """RRDBNet: a trunk of residual-in-residual dense blocks, and two upsamplings by 2."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        weights = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
        nodes = [node for node in graph.node if node.op_type == "Conv"]
        convolutions = (_convolution(*(weights[name] for name in node.input[1:])) for node in nodes)
        self.first = next(convolutions)
        # A block has 15 convolutions; 6 are outside the blocks.
        self.trunk = nn.Sequential(*(_ResidualBlock(convolutions) for _ in range((len(nodes) - 6) // 15)))
        self.trunk_end, self.up1, self.up2, self.high_resolution, self.last = convolutions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps ``[n, 3, h, w]`` in 0..1 to ``[n, 3, h * 4, w * 4]``."""
        x = self.first(x)
        x = x + self.trunk_end(self.trunk(x))
        for convolution in (self.up1, self.up2):
            x = functional.leaky_relu(convolution(functional.interpolate(x, scale_factor=2, mode="nearest")), SLOPE)
        return self.last(functional.leaky_relu(self.high_resolution(x), SLOPE))


def _convolution(weight: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer
