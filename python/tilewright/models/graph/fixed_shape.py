"""Variants of a network: with one fixed input shape, and with NHWC input and output."""

from __future__ import annotations

import onnx
from onnx import helper

from tilewright.models.graph.inputs import image_inputs


def with_fixed_shape(model: onnx.ModelProto, count: int, height: int, width: int) -> onnx.ModelProto:
    """Fixes the input shape of a network, so that a runtime can optimise for it.

    Args:
        model: A network with NCHW input and output; it is not changed.
        count: Tiles per batch.
        height: Tile height in pixels.
        width: Tile width in pixels.

    Returns:
        The network for batches ``[count, channels, height, width]``.
    """
    # onnxruntime's make_input_shape_fixed refuses to replace a fixed batch size, which many
    # exporters write as 1, and keeps value_info of other sizes.
    fixed = _copy(model)
    dims = image_inputs(fixed)[0].type.tensor_type.shape.dim
    for dim, value in zip((dims[0], *dims[2:]), (count, height, width), strict=True):
        dim.dim_value = value
    # Stored shapes of inner tensors are for other input sizes; the runtime infers them again.
    del fixed.graph.value_info[:]
    for axis, dim in enumerate(fixed.graph.output[0].type.tensor_type.shape.dim):
        if axis != 1:
            dim.dim_param = f"result_{axis}"
    return fixed


def with_nhwc_io(model: onnx.ModelProto) -> onnx.ModelProto:
    """Changes input and output of a network from NCHW to NHWC by a Transpose at each end.

    A runtime that computes in NHWC inserts the opposite transposes at both ends of an NCHW graph;
    the pairs cancel.

    Args:
        model: A network with NCHW input and output; it is not changed.

    Returns:
        The network for batches ``[n, height, width, channels]``.
    """
    changed = _copy(model)
    graph = changed.graph
    image, result = image_inputs(changed)[0], graph.output[0]
    inner_image, inner_result = f"{image.name}_nchw", f"{result.name}_nchw"
    inner = {image.name: inner_image, result.name: inner_result}
    for node in graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
    nodes = [
        helper.make_node("Transpose", [image.name], [inner_image], perm=[0, 3, 1, 2]),
        *graph.node,
        helper.make_node("Transpose", [inner_result], [result.name], perm=[0, 2, 3, 1]),
    ]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    for value in (image, result):
        _move_channels_last(value)
    return changed


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _move_channels_last(value: onnx.ValueInfoProto) -> None:
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 4:
        return
    channels = onnx.TensorShapeProto.Dimension()
    channels.CopyFrom(dims[1])
    del dims[1]
    dims.append(channels)
