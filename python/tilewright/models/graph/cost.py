"""Cost of a network per input pixel, in operations and memory, from the shapes of its tensors."""

from __future__ import annotations

import math

import onnx
from onnx import helper, shape_inference

from tilewright.models.graph.inputs import image_inputs, is_nhwc

# Width and height for shape inference if the graph leaves them open. A multiple of what networks
# commonly require, and large enough that padding at the border hardly matters.
_SIZE = 1024

_FLOAT32_BYTES = 4

# Initializers of at most this many elements keep their values, because shape inference may need
# them (scales, pads, axes). Larger ones are weights, of which only the shape matters.
_SMALL = 64

_FREE_OPS = frozenset(
    {"Concat", "Constant", "DepthToSpace", "Identity", "Pad", "Reshape", "Resize", "Shape", "Slice", "SpaceToDepth"}
    | {"Split", "Squeeze", "Transpose", "Unsqueeze", "Cast", "Gather", "Expand"}
)


def flops_per_pixel(model: onnx.ModelProto) -> float:
    """Counts floating-point operations per input pixel.

    A multiply-add counts as two operations, any other operation on an element as one (a sigmoid
    too), moving data as none. Nodes whose shapes cannot be inferred are not counted.
    """
    shapes = _shapes(model)
    return sum(_node_flops(node, shapes) for node in model.graph.node) / _input_pixels(model, shapes)


def bytes_per_pixel(model: onnx.ModelProto) -> float:
    """Estimates the peak of live float32 activations, in bytes per input pixel.

    A tensor lives from the node that computes it to the last node that reads it, in graph order,
    and no node overwrites its own input. Weights and the runtime's scratch memory are not counted.
    """
    shapes = _shapes(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    last_use = {name: index for index, node in enumerate(model.graph.node) for name in node.input}
    for output in model.graph.output:
        last_use[output.name] = len(model.graph.node)

    def elements(name: str) -> int:
        return 0 if name in constants else math.prod(shapes.get(name, (0,)))

    live = sum(elements(value.name) for value in model.graph.input)
    peak = live
    for index, node in enumerate(model.graph.node):
        live += sum(elements(name) for name in node.output)
        peak = max(peak, live)
        live -= sum(elements(name) for name in {*node.input, *node.output} if last_use.get(name, index) == index)
    return peak * _FLOAT32_BYTES / _input_pixels(model, shapes)


def _node_flops(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> float:
    outputs = math.prod(shapes.get(node.output[0], (0,)))
    if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in shapes:
        # A Conv weight is [out, in / group, kh, kw] and is applied once per output element; a
        # ConvTranspose weight is [in, out / group, kh, kw] and is applied once per input element.
        taps = math.prod(shapes[node.input[1]][1:])
        applications = outputs if node.op_type == "Conv" else math.prod(shapes.get(node.input[0], (0,)))
        return 2.0 * taps * applications + (outputs if len(node.input) > 2 else 0)
    if node.op_type in ("MatMul", "Gemm") and node.input[0] in shapes:
        return 2.0 * outputs * shapes[node.input[0]][-1]
    return 0.0 if node.op_type in _FREE_OPS else float(outputs)


def _input_pixels(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> float:
    image = image_inputs(model)[0]
    shape = shapes[image.name]
    height, width = shape[1:3] if is_nhwc(image) else shape[2:4]
    return float(shape[0] * height * width)


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Infers the shapes of all tensors and weights for a batch of one; open sizes are `_SIZE`."""
    skeleton = onnx.ModelProto(ir_version=model.ir_version)
    skeleton.opset_import.extend(model.opset_import)
    skeleton.graph.name = model.graph.name
    skeleton.graph.node.extend(model.graph.node)
    for image in image_inputs(model):
        value = skeleton.graph.input.add()
        value.CopyFrom(image)
        spatial = (1, 2) if is_nhwc(image) else (2, 3)
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_value <= 0:
                dim.dim_value = _SIZE if axis in spatial else 3 if axis else 1
    for output in model.graph.output:
        skeleton.graph.output.add(name=output.name).type.tensor_type.elem_type = output.type.tensor_type.elem_type
    # Weights become inputs of known shape, because shape inference would copy tens of megabytes for
    # nothing.
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            skeleton.graph.initializer.append(tensor)
        else:
            skeleton.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))

    inferred = shape_inference.infer_shapes(skeleton, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = tuple(max(dim.dim_value, 0) for dim in value.type.tensor_type.shape.dim)
    return shapes
