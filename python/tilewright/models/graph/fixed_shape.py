"""A network for one shape of batch, and for batches whose channels lie last."""

from __future__ import annotations

import onnx
from onnx import helper

from tilewright.models.graph.cost import images


def with_shape(model: onnx.ModelProto, count: int, height: int, width: int) -> onnx.ModelProto:
    """The network for batches of one shape only, which lets a runtime settle everything when it opens it.

    Args:
        model: NCHW in and out; it is not changed.
        count: tiles of a batch.
        height: of a tile.
        width: likewise.
    """
    fixed = _copy(model)
    dims = images(fixed)[0].type.tensor_type.shape.dim
    for dim, value in zip((dims[0], *dims[2:]), (count, height, width), strict=True):
        dim.dim_value = value
    # What is said here of other sizes would be wrong now; the runtime finds out for itself.
    del fixed.graph.value_info[:]
    for axis, dim in enumerate(fixed.graph.output[0].type.tensor_type.shape.dim):
        if axis != 1:
            dim.dim_param = f"result_{axis}"
    return fixed


def with_channels_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with NHWC batches and results.

    A runtime that computes in NHWC transposes on the way in and out of a graph in NCHW; those transposes and the ones
    added here cancel.

    Args:
        model: NCHW in and out; it is not changed.
    """
    turned = _copy(model)
    graph = turned.graph
    image, result = images(turned)[0], graph.output[0]
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
        _channels_last(value)
    return turned


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _channels_last(value: onnx.ValueInfoProto) -> None:
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 4:
        return
    channels = onnx.TensorShapeProto.Dimension()
    channels.CopyFrom(dims[1])
    del dims[1]
    dims.append(channels)
