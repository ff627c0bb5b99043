"""Conversions between float16 and float32 networks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tilewright.runtimes import import_runtime

if TYPE_CHECKING:
    from collections.abc import Callable

# Operations that stay in float32, between two casts. They sum many values or grow exponentially, so
# they leave the range or the precision of float16 long before other operations do. The scales of a
# Resize stay in float32 as well, because ONNX fixes their type.
KEPT_IN_FLOAT32 = (
    "Exp",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "Log",
    "Pow",
    "Range",
    "ReduceL2",
    "ReduceSum",
    "ReduceSumSquare",
    "Softmax",
)


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Converts a network to float16.

    Input, output, weights and all operations except those of `KEPT_IN_FLOAT32` become float16.

    Args:
        model: A float32 network; it is not changed.

    Returns:
        The converted network, its nodes in topological order.

    Raises:
        DeviceError: ONNX Runtime, which provides the converter, cannot be loaded.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    converted: onnx.ModelProto = _converter()(copy, op_block_list=list(KEPT_IN_FLOAT32))
    _sort_nodes(converted.graph)
    return converted


def load_with_float32_weights(data: bytes) -> onnx.ModelProto:
    """Parses a network and converts weights that are stored as float16 behind a Cast to float32.

    Storing weights as float16 halves a file. Runtimes would fold these casts too, but the code that
    cuts graphs, converts them to float16 or counts operations expects weights to be direct inputs
    of operations.

    Args:
        data: Content of an ONNX file without external data.

    Returns:
        The network. Each Cast of a float16 weight to float32 is replaced by a float32 weight named
        as its output.
    """
    model: onnx.ModelProto = onnx.load_model_from_string(data)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    casts = [node for node in model.graph.node if _casts_weight(node, weights)]
    for node in casts:
        float32 = numpy_helper.to_array(weights[node.input[0]]).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(float32, node.output[0]))
        model.graph.node.remove(node)
    used = {name for node in model.graph.node for name in node.input}
    for name in {node.input[0] for node in casts} - used:
        model.graph.initializer.remove(weights[name])
    return model


def _converter() -> Callable[..., Any]:
    import_runtime("onnxruntime")
    path = list(sys.path)
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    finally:
        # The package appends its own folder to sys.path, whose modules have common names.
        sys.path[:] = path
    converter: Callable[..., Any] = convert_float_to_float16
    return converter


def _sort_nodes(graph: onnx.GraphProto) -> None:
    """Sorts the nodes topologically, because the converter appends its casts at the end.

    `OnnxModel.topological_sort` of onnxruntime.transformers gives the same order, but its module
    imports a top-level module named `float16`, which may be a different package of the user's.
    """
    waiting = list(graph.node)
    missing = {name for node in waiting for name in node.output}
    ordered = []
    while waiting:
        later = []
        for node in waiting:
            if missing.isdisjoint(node.input):
                ordered.append(node)
                missing.difference_update(node.output)
            else:
                later.append(node)
        waiting = later
    del graph.node[:]
    graph.node.extend(ordered)


def _casts_weight(node: onnx.NodeProto, weights: dict[str, TensorProto]) -> bool:
    """Whether a node casts a float16 weight to float32."""
    if node.op_type != "Cast" or node.input[0] not in weights:
        return False
    to = helper.get_node_attr_value(node, "to")
    return to == TensorProto.FLOAT and weights[node.input[0]].data_type == TensorProto.FLOAT16
