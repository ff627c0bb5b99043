"""Writes networks of convolutions as files of ncnn, as its own converters do.

LeakyReLU is part of the convolution, PReLU and SiLU are layers of their own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import numpy_helper

from support.ncnn_layers import float32_blob, raw
from tilewright.models.graph.nodes import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import onnx

_MAGIC = 7767517


@dataclass(slots=True)
class _Layer:
    """A line of a ``.param`` file, and what it adds to the ``.bin`` file."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    facts: str = ""
    weights: bytes = b""


def from_onnx(model: onnx.ModelProto) -> tuple[str, bytes]:
    """Converts a network of Conv, PRelu, LeakyRelu, SiLU and Concat nodes.

    Returns:
        Content of the ``.param`` and the ``.bin`` file. The input is called ``data``, the result
        ``output``.
    """
    names = {model.graph.input[0].name: "data", model.graph.output[0].name: "output"}
    layers = list(_with_splits(_layers(model)))
    lines = []
    for number, layer in enumerate(layers):
        inputs, outputs = ([names.get(name, name) for name in each] for each in (layer.inputs, layer.outputs))
        lines.append(
            " ".join([layer.kind, f"layer{number}", f"{len(inputs)} {len(outputs)}", *inputs, *outputs, layer.facts])
        )
    blobs = sum(len(layer.outputs) for layer in layers)
    text = "\n".join([f"{_MAGIC}", f"{len(layers)} {blobs}", *lines])
    return text + "\n", b"".join(layer.weights for layer in layers)


def _layers(model: onnx.ModelProto) -> list[_Layer]:
    graph = model.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = [_Layer("Input", [], [graph.input[0].name])]
    gates = {}  # result of a Sigmoid → its input
    for node in graph.node:
        attributes = attributes_of(node)
        output = [node.output[0]]
        if node.op_type == "Conv":
            layers.append(_convolution(node, *(weights[name] for name in node.input[1:])))
        elif node.op_type == "LeakyRelu":
            assert layers[-1].kind == "Convolution"
            assert layers[-1].outputs == [node.input[0]]
            layers[-1].outputs = output
            layers[-1].facts += f" 9=2 -23310=1,{attributes['alpha']:e}"
        elif node.op_type == "PRelu":
            slope = weights[node.input[1]]
            layers.append(_Layer("PReLU", [node.input[0]], output, f"0={slope.size}", raw(slope)))
        elif node.op_type == "Sigmoid":
            gates[node.output[0]] = node.input[0]
        elif node.op_type == "Mul" and gates.get(node.input[1]) == node.input[0]:
            layers.append(_Layer("Swish", [node.input[0]], output))
        elif node.op_type == "Concat":
            layers.append(_Layer("Concat", list(node.input), output))
        else:
            raise NotImplementedError(node.op_type)
    return layers


def _convolution(node: onnx.NodeProto, weights: np.ndarray, bias: np.ndarray) -> _Layer:
    outputs, _, side, _ = weights.shape
    facts = f"0={outputs} 1={side} 4={side // 2} 5=1 6={weights.size}"
    return _Layer("Convolution", [node.input[0]], [node.output[0]], facts, float32_blob(weights) + raw(bias))


def _with_splits(layers: list[_Layer]) -> Iterator[_Layer]:
    """Gives every reader of a result a name of its own, as ncnn requires."""
    readers = Counter(name for layer in layers for name in layer.inputs)
    used: Counter[str] = Counter()
    for layer in layers:
        for i, name in enumerate(layer.inputs):
            if readers[name] > 1:
                layer.inputs[i] = f"{name}_{used[name]}"
                used[name] += 1
        yield layer
        for name in layer.outputs:
            if readers[name] > 1:
                yield _Layer("Split", [name], [f"{name}_{i}" for i in range(readers[name])])
