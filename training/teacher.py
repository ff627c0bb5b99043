"""What the network learns from: realesrgan-x4plus, run by tilewright on a CPU and by PyTorch on a GPU.

Crops are small and many, and a GPU that trains has PyTorch: with it whole shards go through at once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn import functional

from tilewright.models.loader import load_model
from training.batches import as_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    # ``[n, h, w, 3]`` to ``[n, 4h, 4w, 3]``.
    Teacher = Callable[[Picture], Picture]

NAME = "realesrgan-x4plus"


def teacher() -> Teacher:
    """The quicker one of this machine.

    Raises:
        ModelError: its weights are not installed.
    """
    if torch.cuda.is_available():
        return TorchTeacher(torch.device("cuda"), torch.float16)
    # Not at the top: it brings codecs and runtimes, which a machine that only trains may lack.
    from tilewright import Upscaler

    upscaler = Upscaler(model=NAME, store="memory://teacher")
    return lambda crops: np.stack([upscaler.upscale_array(crop, 4) for crop in crops])


class TorchTeacher:
    """Its ONNX graph, node after node; knows the operators that are in it.

    Args:
        device: where it runs.
        dtype: of weights and activations.

    Raises:
        ModelError: its weights are not installed.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        with tempfile.TemporaryDirectory() as cache:
            self._graph = onnx.load(load_model(NAME, 4, cache_dir=Path(cache)).path).graph
        self._device, self._dtype = device, dtype
        self._weights = {}
        for tensor in self._graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(device, dtype)
            wide = value.ndim == 4
            self._weights[tensor.name] = value.contiguous(memory_format=torch.channels_last) if wide else value

    @torch.no_grad()
    def __call__(self, crops: Picture) -> Picture:
        """``[n, h, w, 3]`` to ``[n, 4h, 4w, 3]``."""
        pictures = as_tensor(crops, self._device).to(self._dtype)
        made = self._run(pictures).float().clamp(0, 1).mul(255).round().byte()
        return made.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def _run(self, pictures: torch.Tensor) -> torch.Tensor:
        values = {**self._weights, self._graph.input[0].name: pictures}
        last_use = {name: index for index, node in enumerate(self._graph.node) for name in node.input}
        for index, node in enumerate(self._graph.node):
            values[node.output[0]] = _result(node, [values[name] for name in node.input if name])
            for name in set(node.input):
                if last_use[name] == index:
                    values.pop(name, None)
        return values[self._graph.output[0].name]


def _result(node: onnx.NodeProto, inputs: list[torch.Tensor]) -> torch.Tensor:
    match node.op_type:
        case "Conv":  # all are of 3 x 3
            return functional.conv2d(*inputs, padding=1)
        case "LeakyRelu":
            return functional.leaky_relu(inputs[0], helper.get_node_attr_value(node, "alpha"))
        case "Concat":
            return torch.cat(inputs, dim=1)
        case "Add":
            return inputs[0] + inputs[1]
        case "Mul":
            return inputs[0] * inputs[1]
        case "Resize":  # by repeating pixels
            return functional.interpolate(inputs[0], scale_factor=float(inputs[1][-1]), mode="nearest")
    raise NotImplementedError(f"the teacher has no {node.op_type}")
