"""Strips a trailing DepthToSpace and the Add of the input from a network; the canvas applies them.

Inside a graph they are three passes over the whole float32 result, each with a buffer of its own.
The canvas reads the result row by row anyway and does the same arithmetic while a row is in the
CPU's caches.
"""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from tilewright.models.graph.fixed_shape import with_fixed_shape
from tilewright.models.graph.inputs import image_inputs
from tilewright.models.graph.nodes import attributes_of
from tilewright.models.graph.subgraph import extract_head
from tilewright.models.spec import Tail

# A size that all networks seen in practice accept.
_SIDE = 256


def cut_tail(model: onnx.ModelProto, scale: int) -> tuple[onnx.ModelProto, Tail] | None:
    """Separates a network from its tail.

    Args:
        model: A network with NCHW input and output; it is not changed.
        scale: Its factor.

    Returns:
        The remaining network, whose output is ``[n, planes * scale², height, width]``, and the
        tail; None if the network ends in anything else.
    """
    graph = model.graph
    if len(graph.output) != 1 or len(image_inputs(model)) != 1:
        return None
    makers = {name: node for node in graph.node for name in node.output}
    last = makers.get(graph.output[0].name)
    if scale == 1 and last is not None and (added := _added_to_input(last, image_inputs(model)[0].name)) is not None:
        if added not in makers or not _has_size_of_input(model, added):
            return None
        planes = graph.output[0].type.tensor_type.shape.dim[1].dim_value
        return extract_head(model, added, planes), Tail(1, adds_input=True)
    shuffle, adds_input = last, False
    if last is not None and last.op_type == "Add":
        shuffle, enlarged = (makers.get(name) for name in last.input)
        if shuffle is not None and shuffle.op_type == "Resize":
            shuffle, enlarged = enlarged, shuffle
        if enlarged is None or not _repeats_input(enlarged, graph, image_inputs(model)[0].name, scale):
            return None
        adds_input = True
    if shuffle is None or not _is_pixel_shuffle(shuffle, scale):
        return None
    removed = {shuffle.output[0], graph.output[0].name}
    if any(name in removed for node in graph.node if node is not last for name in node.input):
        return None  # another node reads a tensor that would be removed
    planes = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value * scale**2
    return extract_head(model, shuffle.input[0], planes), Tail(scale, adds_input)


def _added_to_input(node: onnx.NodeProto, image: str) -> str | None:
    """Returns the tensor that a node adds to the graph's input, as networks of factor 1 do; None if it does not."""
    others = [name for name in node.input if name != image]
    return others[0] if node.op_type == "Add" and len(node.input) == 2 and len(others) == 1 else None


def _has_size_of_input(model: onnx.ModelProto, name: str) -> bool:
    """Whether a tensor has the shape of the input. A smaller one is repeated when it is added."""
    try:
        inferred = onnx.shape_inference.infer_shapes(with_fixed_shape(model, 1, _SIDE, _SIDE), data_prop=True)
    except Exception:  # onnx's and protobuf's exceptions share no base class
        return False
    value = next((value for value in inferred.graph.value_info if value.name == name), None)
    if value is None:
        return False
    planes = image_inputs(model)[0].type.tensor_type.shape.dim[1].dim_value
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [1, planes, _SIDE, _SIDE]


def _is_pixel_shuffle(node: onnx.NodeProto, scale: int) -> bool:
    attributes = attributes_of(node)
    return (
        node.op_type == "DepthToSpace"
        and attributes.get("blocksize") == scale
        and attributes.get("mode", b"DCR") == b"CRD"
    )


def _repeats_input(node: onnx.NodeProto, graph: onnx.GraphProto, image: str, scale: int) -> bool:
    """Whether a node enlarges the graph's input `scale` times by repeating pixels."""
    if node.op_type != "Resize" or len(node.input) != 3 or node.input[0] != image:
        return False
    attributes = attributes_of(node)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    scales = weights.get(node.input[2])
    return (
        attributes.get("mode", b"nearest") == b"nearest"
        and attributes.get("coordinate_transformation_mode") == b"asymmetric"
        and attributes.get("nearest_mode") == b"floor"
        and scales is not None
        and numpy_helper.to_array(scales).tolist() == [1, 1, scale, scale]
    )
