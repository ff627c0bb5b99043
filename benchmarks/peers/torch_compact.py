"""PyTorch with SRVGGNetCompact, the network as its authors wrote it, and the weights of the ONNX file.

The whole picture is one batch, which is the fastest way in PyTorch. In bf16 the memory format is
channels-last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from peers.arrays import batch_of, pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SCALE = 4


class Compact(nn.Module):
    """SRVGGNetCompact: 3 × 3 convolutions with PReLU, pixel shuffle, nearest-neighbour residual."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        weights = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
        layers: list[nn.Module] = []
        for node in graph.node:
            if node.op_type == "Conv":
                weight, bias = (weights[name] for name in node.input[1:])
                layers.append(nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1))
                layers[-1].load_state_dict({"weight": weight, "bias": bias})
            elif node.op_type == "PRelu":
                slope = weights[node.input[1]].reshape(-1)
                layers.append(nn.PReLU(len(slope)))
                layers[-1].load_state_dict({"weight": slope})
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps ``[n, 3, h, w]`` in 0..1 to ``[n, 3, h * 4, w * 4]``."""
        nearest = functional.interpolate(x, scale_factor=SCALE, mode="nearest")
        return functional.pixel_shuffle(self.body(x), SCALE) + nearest


def load(path: Path, *, threads: int, bf16: bool) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Loads the network; see `peers`."""
    torch.set_num_threads(threads)
    form = {"dtype": torch.bfloat16, "memory_format": torch.channels_last} if bf16 else {"dtype": torch.float32}
    network = Compact(path).eval().to(**form)

    @torch.inference_mode()
    def upscale(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return pixels_of(network(torch.from_numpy(batch_of(pixels)).to(**form))[0].float().numpy())

    return upscale
