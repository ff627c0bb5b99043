"""The teacher, realesrgan-x4plus: on tilewright without a GPU, on PyTorch with one.

Crops are small and many. PyTorch, which training needs anyway, runs a whole shard of them as one
batch on a GPU.
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

    Pictures = NDArray[np.uint8]
    # ``[n, h, w, 3]`` to ``[n, 4h, 4w, 3]``.
    Teacher = Callable[[Pictures], Pictures]

NAME = "realesrgan-x4plus"


def load_teacher() -> Teacher:
    """Loads the implementation that is faster on this machine.

    Raises:
        ModelError: The weights are not installed.
    """
    if torch.cuda.is_available():
        return TorchTeacher(torch.device("cuda"), torch.float16)
    # Imported here because it needs codecs and runtimes, which may be missing on a machine that
    # only trains.
    from tilewright import Upscaler

    upscaler = Upscaler(model=NAME, store="memory://teacher")
    return lambda crops: np.stack([upscaler.upscale_array(crop, 4) for crop in crops])


class TorchTeacher:
    """Interprets the ONNX graph of the teacher in PyTorch."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        """Loads the weights.

        Args:
            device: Where the network runs.
            dtype: Dtype of weights and activations.

        Raises:
            ModelError: The weights are not installed.
        """
        with tempfile.TemporaryDirectory() as cache:
            self._graph = onnx.load(load_model(NAME, 4, cache_dir=Path(cache)).path).graph
        self._device, self._dtype = device, dtype
        self._weights = {}
        for tensor in self._graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(device, dtype)
            is_kernel = value.ndim == 4
            self._weights[tensor.name] = value.contiguous(memory_format=torch.channels_last) if is_kernel else value

    @torch.no_grad()
    def __call__(self, crops: Pictures) -> Pictures:
        """Upscales ``[n, h, w, 3]`` to ``[n, 4h, 4w, 3]``."""
        pictures = as_tensor(crops, self._device).to(self._dtype)
        result = self._run(pictures).float().clamp(0, 1).mul(255).round().byte()
        return result.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def _run(self, pictures: torch.Tensor) -> torch.Tensor:
        values = {**self._weights, self._graph.input[0].name: pictures}
        last_use = {name: index for index, node in enumerate(self._graph.node) for name in node.input}
        for index, node in enumerate(self._graph.node):
            values[node.output[0]] = _evaluate(node, [values[name] for name in node.input if name])
            for name in set(node.input):
                if last_use[name] == index:
                    values.pop(name, None)
        return values[self._graph.output[0].name]


def _evaluate(node: onnx.NodeProto, inputs: list[torch.Tensor]) -> torch.Tensor:
    """Evaluates a node; only the operators of the teacher are implemented."""
    match node.op_type:
        case "Conv":  # all kernels are 3 × 3
            return functional.conv2d(*inputs, padding=1)
        case "LeakyRelu":
            return functional.leaky_relu(inputs[0], helper.get_node_attr_value(node, "alpha"))
        case "Concat":
            return torch.cat(inputs, dim=1)
        case "Add":
            return inputs[0] + inputs[1]
        case "Mul":
            return inputs[0] * inputs[1]
        case "Resize":  # nearest neighbour
            return functional.interpolate(inputs[0], scale_factor=float(inputs[1][-1]), mode="nearest")
    raise NotImplementedError(f"the operator {node.op_type} is not implemented")
