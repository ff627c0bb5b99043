"""Cost of a network, from the tensor shapes of its ONNX graph: operations and memory per input pixel."""

from __future__ import annotations

import math

import onnx
from onnx import helper, shape_inference

# Shapes are inferred at this size when the graph leaves it open: a multiple of what networks commonly demand, and so
# large that a padded border weighs little.
_SIZE = 1024

_FLOAT32_BYTES = 4

# Initializers up to this many elements keep their values, which shape inference may need (scales, pads, axes);
# larger ones are weights, of which only the shape counts.
_SMALL = 64

_FREE_OPS = frozenset(
    {"Concat", "Constant", "DepthToSpace", "Identity", "Pad", "Reshape", "Resize", "Shape", "Slice", "SpaceToDepth"}
    | {"Split", "Squeeze", "Transpose", "Unsqueeze", "Cast", "Gather", "Expand"}
)


def flops_per_pixel(model: onnx.ModelProto) -> float:
    """Floating-point operations per input pixel.

    A multiply-add counts as two, any other operation of an element as one (a sigmoid too), moving data as none.
    Operations whose shape cannot be inferred are left out.
    """
    shapes = _shapes(model)
    return sum(_node_flops(node, shapes) for node in model.graph.node) / _input_pixels(model, shapes)


def bytes_per_pixel(model: onnx.ModelProto) -> float:
    """Peak of live activations per input pixel, as if each were float32.

    A tensor lives from the node that makes it to the last that reads it, in the order of the graph, and no node
    writes over its own input. Weights and the runtime's scratch space are not counted.
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
    made = math.prod(shapes.get(node.output[0], (0,)))
    if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in shapes:
        # Weights are [out, in / group, kh, kw] and [in, out / group, kh, kw]: per output and per input element.
        per_element = math.prod(shapes[node.input[1]][1:])
        moved = made if node.op_type == "Conv" else math.prod(shapes.get(node.input[0], (0,)))
        return 2.0 * per_element * moved + (made if len(node.input) > 2 else 0)
    if node.op_type in ("MatMul", "Gemm") and node.input[0] in shapes:
        return 2.0 * made * shapes[node.input[0]][-1]
    return 0.0 if node.op_type in _FREE_OPS else float(made)


def _input_pixels(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> float:
    image = images(model)[0]
    shape = shapes[image.name]
    height, width = shape[1:3] if is_nhwc(image) else shape[2:4]
    return float(shape[0] * height * width)


def images(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The graph's inputs that are no weights (old exporters list those too)."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def is_nhwc(image: onnx.ValueInfoProto) -> bool:
    """Whether an input of four dimensions has its channels last."""
    dims = image.type.tensor_type.shape.dim
    return dims[3].dim_value in (1, 3) and dims[1].dim_value not in (1, 3)


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors, weights included, for one picture of `_SIZE` squared where the graph leaves it open."""
    skeleton = onnx.ModelProto(ir_version=model.ir_version)
    skeleton.opset_import.extend(model.opset_import)
    skeleton.graph.name = model.graph.name
    skeleton.graph.node.extend(model.graph.node)
    for image in images(model):
        value = skeleton.graph.input.add()
        value.CopyFrom(image)
        spatial = (1, 2) if is_nhwc(image) else (2, 3)
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_value <= 0:
                dim.dim_value = _SIZE if axis in spatial else 3 if axis else 1
    for output in model.graph.output:
        skeleton.graph.output.add(name=output.name).type.tensor_type.elem_type = output.type.tensor_type.elem_type
    # Weights become inputs of known shape: copying tens of megabytes through shape inference would serve nobody.
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
