"""ONNX files that keep their weights in float16, which halves them, for networks that compute in float32."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def read_widened(data: bytes) -> onnx.ModelProto:
    """A network whose weights are float32, from one whose weights are float16 behind a Cast.

    Runtimes would fold these casts too; but what reads the graph here, to cut it, halve it or count its work, expects
    weights where operations take them.

    Args:
        data: an ONNX file, without external data.

    Returns:
        The same network; every Cast of a float16 weight to float32 is replaced by a weight of its name.
    """
    model: onnx.ModelProto = onnx.load_model_from_string(data)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    casts = [node for node in model.graph.node if _widens(node, weights)]
    for node in casts:
        wide = numpy_helper.to_array(weights[node.input[0]]).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(wide, node.output[0]))
        model.graph.node.remove(node)
    read = {name for node in model.graph.node for name in node.input}
    for name in {node.input[0] for node in casts} - read:
        model.graph.initializer.remove(weights[name])
    return model


def _widens(node: onnx.NodeProto, weights: dict[str, TensorProto]) -> bool:
    if node.op_type != "Cast" or node.input[0] not in weights:
        return False
    to = helper.get_node_attr_value(node, "to")
    return to == TensorProto.FLOAT and weights[node.input[0]].data_type == TensorProto.FLOAT16
