"""PyTorch, eager, in float32 with channels-last memory, in which its convolutions are the fastest.

Activations work in place, as in the authors' code of these networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from onnx import numpy_helper
from torch.nn import functional

from tilewright.models.graph.nodes import attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import onnx
    from numpy.typing import NDArray

    from peers.graphs.graph import Graph, Run

_FORM = {"memory_format": torch.channels_last}


def _convolve(x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None = None, **_: Any) -> torch.Tensor:
    return functional.conv2d(x, weights, bias, padding=weights.shape[2] // 2)


def _enlarge(x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


# Operators of ONNX with their inputs and attributes; Silu is one of ours.
_OPERATORS: dict[str, Callable[..., torch.Tensor]] = {
    "Add": torch.add,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Conv": _convolve,
    "LeakyRelu": lambda x, alpha: functional.leaky_relu(x, alpha, inplace=True),
    "Mul": torch.mul,
    "PRelu": lambda x, slope: functional.prelu(x, slope.reshape(-1)),
    "Resize": _enlarge,
    "Sigmoid": torch.sigmoid,
    "Silu": lambda x: functional.silu(x, inplace=True),
    "Sub": torch.sub,
}


@dataclass(slots=True)
class _Step:
    """A call of an operator.

    Attributes:
        done: Names of values that nothing reads after it.
    """

    operator: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]
    done: list[str] = field(default_factory=list)


def load(graph: Graph, *, threads: int) -> Run:
    """Loads the network; see `peers.graphs`."""
    torch.set_num_threads(threads)
    weights = _weights(graph.model)
    steps = _steps(graph.model, set(weights))
    picture, result = graph.model.graph.input[0].name, graph.model.graph.output[0].name

    @torch.inference_mode()
    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        values = {**weights, picture: torch.from_numpy(batch).to(**_FORM)}
        for step in steps:
            inputs = (values[name] for name in step.inputs)
            values[step.output] = _OPERATORS[step.operator](*inputs, **step.attributes)
            for name in step.done:
                del values[name]
        return values[result].numpy()

    return run


def _weights(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    return {name: tensor.to(**_FORM) if tensor.ndim == 4 else tensor for name, tensor in tensors.items()}


def _steps(model: onnx.ModelProto, constants: set[str]) -> list[_Step]:
    """Returns the nodes in order, with SiLU as one operator."""
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    gates = {node.output[0]: node.input[0] for node in nodes if node.op_type == "Sigmoid"}
    steps: list[_Step] = []
    for node in nodes:
        operator, inputs = node.op_type, [name for name in node.input if name]
        attributes: dict[str, Any] = {}
        if operator == "Mul" and gates.get(inputs[-1]) == inputs[0]:
            steps = [step for step in steps if step.output != inputs[-1]]
            operator, inputs = "Silu", inputs[:1]
        elif operator in ("Concat", "LeakyRelu"):
            attributes = attributes_of(node)
        steps.append(_Step(operator, inputs, node.output[0], attributes))
    seen = {*constants, model.graph.output[0].name}
    for step in reversed(steps):
        step.done = [name for name in dict.fromkeys(step.inputs) if name not in seen]
        seen.update(step.done)
    return steps
