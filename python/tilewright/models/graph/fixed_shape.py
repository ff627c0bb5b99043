"""Variants of a network: with one fixed input shape, and with NHWC input and output."""

from __future__ import annotations

import onnx
from onnx import helper

from tilewright.models.graph.ends import with_ends
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
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
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
    image, result = image_inputs(model)[0].name, model.graph.output[0].name
    inner_image, inner_result = f"{image}_nchw", f"{result}_nchw"
    changed = with_ends(
        model,
        (inner_image, inner_result),
        [helper.make_node("Transpose", [image], [inner_image], perm=[0, 3, 1, 2])],
        [helper.make_node("Transpose", [inner_result], [result], perm=[0, 2, 3, 1])],
    )
    for value in (image_inputs(changed)[0], changed.graph.output[0]):
        _move_channels_last(value)
    return changed


def _move_channels_last(value: onnx.ValueInfoProto) -> None:
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 4:
        return
    channels = onnx.TensorShapeProto.Dimension()
    channels.CopyFrom(dims[1])
    del dims[1]
    dims.append(channels)
