"""Graphs as exporters write them, in the plain form that the rest of the code expects."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tilewright.models.graph.nodes import attributes_of

# Limits at the end of a network, for black and white.
_LIMITS = ([0.0, 1.0], [0.0, 255.0])


def make_plain(model: onnx.ModelProto) -> None:
    """Rewrites a graph in place, without a change to its results within black and white.

    - Constants become weights, and copies (Identity) are left out.
    - Nodes whose results nobody reads are left out.
    - Limits to 0 and 1, or to 0 and 255, at the end are left out: the canvas applies them after
      blending. Behind them, `tilewright.models.graph.tail` would not see the tail.
    - An output without a declared shape gets one of four dimensions.

    In a graph with loops or branches, only constants and the output are rewritten.
    """
    graph = model.graph
    _declare_output(graph)
    _constants_to_weights(graph)
    if _has_subgraphs(graph):  # they may read anything
        return
    _remove_copies(graph)
    _remove_limits(graph)
    _remove_unread(graph)


def _declare_output(graph: onnx.GraphProto) -> None:
    """Gives an output without a declared shape four dimensions of any size."""
    for output in graph.output:
        shape = output.type.tensor_type.shape
        if not shape.dim:
            for name in ("n", "c", "h", "w"):
                shape.dim.add().dim_param = f"result_{name}"


def _constants_to_weights(graph: onnx.GraphProto) -> None:
    kept = []
    for node in graph.node:
        tensor = _constant(node)
        if tensor is None:
            kept.append(node)
        else:
            graph.initializer.append(tensor)
    _replace_nodes(graph, kept)


def _constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """Returns the value of a Constant node; None for other nodes, and for kinds that are not tensors."""
    if node.op_type != "Constant" or len(node.attribute) != 1:
        return None
    (name, value), *_ = attributes_of(node).items()
    dtypes: dict[str, Any] = {
        "value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64,
    }  # fmt: skip
    if name == "value":
        tensor = onnx.TensorProto()
        tensor.CopyFrom(value)
        tensor.name = node.output[0]
        return tensor
    return numpy_helper.from_array(np.asarray(value, dtypes[name]), node.output[0]) if name in dtypes else None


def _remove_copies(graph: onnx.GraphProto) -> None:
    """Lets nodes read what an Identity reads. One that gives the graph's output stays."""
    outputs = {value.name for value in graph.output}
    sources: dict[str, str] = {}
    kept = []
    for node in graph.node:
        node.input[:] = [sources.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.output[0] not in outputs:
            sources[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    _replace_nodes(graph, kept)


def _remove_limits(graph: onnx.GraphProto) -> None:
    if len(graph.output) != 1 or not graph.node:
        return
    output = graph.output[0].name
    last = next((node for node in graph.node if output in node.output), None)
    if last is None or last.op_type != "Clip" or _limits(last, graph) not in _LIMITS:
        return
    source = last.input[0]
    makers = [node for node in graph.node if source in node.output]
    if len(makers) != 1:  # the graph's input
        return
    kept = [node for node in graph.node if node is not last]
    for node in kept:
        for names in (node.input, node.output):
            names[:] = [output if name == source else name for name in names]
    _replace_nodes(graph, kept)


def _limits(node: onnx.NodeProto, graph: onnx.GraphProto) -> list[float]:
    """Returns both limits of a Clip, as inputs or, before opset 11, as attributes; fewer if they are not constant."""
    if len(node.input) == 1:
        attributes = attributes_of(node)
        return [float(attributes[name]) for name in ("min", "max") if name in attributes]
    weights = {tensor.name: tensor for tensor in graph.initializer}
    values = [numpy_helper.to_array(weights[name]) for name in node.input[1:] if name in weights]
    return [float(value.reshape(())) for value in values if value.size == 1]


def _remove_unread(graph: onnx.GraphProto) -> None:
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    _replace_nodes(graph, kept[::-1])
    unread = [tensor for tensor in graph.initializer if tensor.name not in needed]
    declared = {value.name for value in graph.input}
    for tensor in unread:
        if tensor.name not in declared:
            graph.initializer.remove(tensor)


def _has_subgraphs(graph: onnx.GraphProto) -> bool:
    kinds = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    return any(attribute.type in kinds for node in graph.node for attribute in node.attribute)


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    if len(nodes) != len(graph.node):
        # The new list is copied before the old nodes, which it may hold, are gone.
        copies = [onnx.NodeProto() for _ in nodes]
        for copy, node in zip(copies, nodes, strict=True):
            copy.CopyFrom(node)
        del graph.node[:]
        graph.node.extend(copies)
