"""ncnn network (``.param`` text and ``.bin`` weights) to ONNX.

Each layer type has one small function in `_EMITTERS` that appends ONNX nodes to a `_Graph`. To support another type,
write its function and add a row. What the layers compute follows ncnn's "operators" documentation; the tests compare
with ncnn itself.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from tilewright.errors import ModelError
from tilewright.models.ncnn_files import Layer, WeightReader, parse_param

if TYPE_CHECKING:
    from collections.abc import Callable

# Opset 17 and its IR version 8: old enough for every runtime that we feed, new enough for all nodes below.
OPSET = 17
IR_VERSION = 8

CHANNELS = 3


def import_ncnn(param: str, weights: bytes) -> onnx.ModelProto:
    """Converts one network.

    Args:
        param: text of the ``.param`` file.
        weights: content of the ``.bin`` file; float32 or float16 weights.

    Returns:
        An ONNX model, opset 17: ``input`` float32 ``[n, 3, h, w]`` to ``output`` float32 ``[n, 3, out_h, out_w]``,
        weights in float32, the same value range as the ncnn network's.

    Raises:
        ModelError: a damaged or truncated file, quantised weights, or a layer (or option of a layer) that is not
            supported; the message names it.
    """
    layers = parse_param(param)
    graph = _Graph(layers, WeightReader(weights))
    for layer in layers:
        emit = _EMITTERS.get(layer.kind)
        if emit is None:
            raise ModelError(
                f"{layer}: this layer type is not supported; supported are {', '.join(sorted(_EMITTERS))}."
            )
        emit(graph, layer)
    graph.weights.finish()
    return graph.build()


class _Graph:
    """The ONNX graph under construction, and the weights still to be read."""

    def __init__(self, layers: list[Layer], weights: WeightReader) -> None:
        self.weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._tensor_of_blob = {_only_input(layers): "input"}
        self._output_blob = _only_output(layers)

    def tensor(self, blob: str, layer: Layer) -> str:
        """The ONNX tensor that carries an ncnn blob."""
        try:
            return self._tensor_of_blob[blob]
        except KeyError:
            raise ModelError(f"{layer}: its input {blob!r} is made by no layer before it.") from None

    def inputs(self, layer: Layer) -> list[str]:
        """The ONNX tensors that a layer reads."""
        return [self.tensor(blob, layer) for blob in layer.inputs]

    def input(self, layer: Layer) -> str:
        """The ONNX tensor read by a layer that takes exactly one."""
        return self.tensor(_single(layer, layer.inputs, "input"), layer)

    def output(self, layer: Layer) -> str:
        """Names the one tensor that a layer makes; the prefix keeps blob names apart from ``input`` and ``output``."""
        blob = _single(layer, layer.outputs, "output")
        name = "output" if blob == self._output_blob else f"blob/{blob}"
        self._tensor_of_blob[blob] = name
        return name

    def alias(self, blob: str, tensor: str) -> None:
        """Lets a blob stand for a tensor that exists already."""
        self._tensor_of_blob[blob] = tensor

    def constant(self, name: str, value: npt.NDArray[np.float32]) -> str:
        """Stores a float32 constant and returns its name."""
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Appends one ONNX node and returns its output's name."""
        self._nodes.append(helper.make_node(op, inputs, [output], name=f"{op}:{output}", **attributes))
        return output

    def build(self) -> onnx.ModelProto:
        """The finished, checked model."""
        graph = helper.make_graph(
            self._nodes,
            "tilewright",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", CHANNELS, "h", "w"])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", CHANNELS, "out_h", "out_w"])],
            self._initializers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="tilewright",
        )
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise ModelError(f"The ncnn network gives no valid ONNX graph: {error}") from error
        return model


def _single(layer: Layer, blobs: tuple[str, ...], what: str) -> str:
    if len(blobs) != 1:
        raise ModelError(f"{layer}: exactly one {what} is expected, not {len(blobs)}.")
    return blobs[0]


def _only_input(layers: list[Layer]) -> str:
    blobs = [blob for layer in layers if layer.kind == "Input" for blob in layer.outputs]
    if len(blobs) != 1:
        raise ModelError(f"An ncnn network with exactly one input is expected; this one has {len(blobs)}.")
    return blobs[0]


def _only_output(layers: list[Layer]) -> str:
    read = Counter(blob for layer in layers for blob in layer.inputs)
    unread = [blob for layer in layers for blob in layer.outputs if blob not in read]
    if len(unread) != 1:
        raise ModelError(f"An ncnn network with exactly one output is expected; this one has {len(unread)}: {unread}.")
    return unread[0]


def _input(_graph: _Graph, _layer: Layer) -> None:
    """The graph's input is declared from the start; nothing to compute."""


def _split(graph: _Graph, layer: Layer) -> None:
    source = graph.input(layer)
    for blob in layer.outputs:
        graph.alias(blob, source)


def _memory_data(graph: _Graph, layer: Layer) -> None:
    width, height, depth, channels = (layer.integer(key, 0) for key in (0, 1, 11, 2))
    if depth or layer.integer(21, 1) != 1:
        raise ModelError(f"{layer}: only constants of at most three dimensions, stored as float32, are supported.")
    # A constant with one dimension holds one value per channel.
    shape = (channels, height, width) if channels else (width, 1, 1) if not height else None
    if shape is None:
        raise ModelError(f"{layer}: a constant of two dimensions ({height} x {width}) is not supported.")
    if min(shape) < 1:
        raise ModelError(f"{layer}: a constant of shape {shape} is not possible.")
    values = graph.weights.raw(math.prod(shape), layer)
    graph.constant(graph.output(layer), values.reshape(shape))


def _convolution(graph: _Graph, layer: Layer) -> None:
    outputs, size = layer.integer(0, 0), layer.integer(6, 0)
    kernel_w = layer.integer(1, 0)
    kernel_h = layer.integer(11, kernel_w)
    left = layer.integer(4, 0)
    right, top = layer.integer(15, left), layer.integer(14, left)
    bottom = layer.integer(16, top)
    if min(left, right, top, bottom) < 0 or layer.real(18, 0.0) != 0.0:
        raise ModelError(f"{layer}: automatic padding and padding with a value other than 0 are not supported.")
    if layer.integer(8, 0) or layer.integer(19, 0):
        raise ModelError(f"{layer}: int8 weights and weights computed by another layer are not supported.")
    taps = outputs * kernel_h * kernel_w
    if taps <= 0 or size <= 0 or size % taps:
        raise ModelError(f"{layer}: {size} weights do not fill {outputs} kernels of {kernel_h} x {kernel_w}.")

    output = graph.output(layer)
    weight = graph.weights.flagged(size, layer).reshape(outputs, size // taps, kernel_h, kernel_w)
    inputs = [graph.input(layer), graph.constant(f"{output}/weight", weight)]
    if layer.integer(5, 0):
        inputs.append(graph.constant(f"{output}/bias", graph.weights.raw(outputs, layer)))

    activation = layer.integer(9, 0)
    stride_w, dilation_w = layer.integer(3, 1), layer.integer(2, 1)
    graph.node(
        "Conv",
        inputs,
        f"{output}/conv" if activation else output,
        kernel_shape=[kernel_h, kernel_w],
        strides=[layer.integer(13, stride_w), stride_w],
        dilations=[layer.integer(12, dilation_w), dilation_w],
        pads=[top, left, bottom, right],
    )
    if activation:
        _activation(graph, layer, activation, f"{output}/conv", output)


def _activation(graph: _Graph, layer: Layer, activation: int, source: str, output: str) -> None:
    """The activation that ncnn folds into a convolution, as an ONNX node of its own."""
    if activation == 1:
        graph.node("Relu", [source], output)
    elif activation == 2:
        graph.node("LeakyRelu", [source], output, alpha=_leaky_slope(layer))
    else:
        raise ModelError(f"{layer}: folded activation {activation} is not supported; 1 (ReLU) and 2 (leaky ReLU) are.")


def _leaky_slope(layer: Layer) -> float:
    values = layer.reals(10)
    if len(values) != 1:
        raise ModelError(f"{layer}: a leaky ReLU has one slope, but parameter 10 is {values!r}.")
    return values[0]


def _prelu(graph: _Graph, layer: Layer) -> None:
    output = graph.output(layer)
    slope = graph.weights.raw(layer.integer(0, 0), layer).reshape(-1, 1, 1)
    graph.node("PRelu", [graph.input(layer), graph.constant(f"{output}/slope", slope)], output)


def _pixel_shuffle(graph: _Graph, layer: Layer) -> None:
    mode = "DCR" if layer.integer(1, 0) else "CRD"
    graph.node("DepthToSpace", [graph.input(layer)], graph.output(layer), blocksize=layer.integer(0, 1), mode=mode)


# How ncnn's Interp places its samples, in ONNX's words.
_RESIZE_ATTRIBUTES: dict[int, dict[str, str]] = {
    1: {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    2: {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}


def _interp(graph: _Graph, layer: Layer) -> None:
    kind = layer.integer(0, 0)
    if kind not in _RESIZE_ATTRIBUTES:
        raise ModelError(f"{layer}: resize type {kind} is not supported; 1 (nearest) and 2 (bilinear) are.")
    if any(layer.integer(key, 0) for key in (3, 4, 5, 6)):
        raise ModelError(f"{layer}: a fixed or computed target size and aligned corners are not supported.")
    output = graph.output(layer)
    scales = np.array([1.0, 1.0, layer.real(1, 1.0), layer.real(2, 1.0)], np.float32)
    inputs = [graph.input(layer), "", graph.constant(f"{output}/scales", scales)]
    graph.node("Resize", inputs, output, **_RESIZE_ATTRIBUTES[kind])


_BINARY_OPS = {0: "Add", 1: "Sub", 2: "Mul", 3: "Div", 4: "Max", 5: "Min"}


def _binary_op(graph: _Graph, layer: Layer) -> None:
    kind = layer.integer(0, 0)
    if kind not in _BINARY_OPS:
        raise ModelError(f"{layer}: operation {kind} is not supported; {sorted(_BINARY_OPS)} are.")
    output = graph.output(layer)
    operands = graph.inputs(layer)
    if layer.integer(1, 0):
        operands.append(graph.constant(f"{output}/scalar", np.array(layer.real(2, 0.0), np.float32)))
    if len(operands) != 2:
        raise ModelError(f"{layer}: two operands are expected, not {len(operands)}.")
    graph.node(_BINARY_OPS[kind], operands, output)


def _eltwise(graph: _Graph, layer: Layer) -> None:
    if layer.integer(0, 0) != 1:
        raise ModelError(f"{layer}: operation {layer.integer(0, 0)} is not supported; 1 (sum) is.")
    output = graph.output(layer)
    sources = graph.inputs(layer)
    coefficients = layer.reals(1) or (1.0,) * len(sources)
    if len(coefficients) != len(sources):
        raise ModelError(f"{layer}: {len(coefficients)} coefficients for {len(sources)} inputs.")
    terms = []
    for index, (source, coefficient) in enumerate(zip(sources, coefficients, strict=True)):
        if coefficient != 1.0:
            factor = graph.constant(f"{output}/coefficient{index}", np.array(coefficient, np.float32))
            source = graph.node("Mul", [source, factor], f"{output}/term{index}")
        terms.append(source)
    graph.node("Sum" if len(terms) != 2 else "Add", terms, output)


def _concat(graph: _Graph, layer: Layer) -> None:
    # ncnn counts axes from the channels, ONNX from the batch.
    axis = layer.integer(0, 0)
    graph.node("Concat", graph.inputs(layer), graph.output(layer), axis=axis + 1 if axis >= 0 else axis)


def _sigmoid(graph: _Graph, layer: Layer) -> None:
    graph.node("Sigmoid", [graph.input(layer)], graph.output(layer))


def _swish(graph: _Graph, layer: Layer) -> None:
    output = graph.output(layer)
    source = graph.input(layer)
    graph.node("Mul", [source, graph.node("Sigmoid", [source], f"{output}/sigmoid")], output)


_EMITTERS: dict[str, Callable[[_Graph, Layer], None]] = {
    "BinaryOp": _binary_op,
    "Concat": _concat,
    "Convolution": _convolution,
    "Eltwise": _eltwise,
    "Input": _input,
    "Interp": _interp,
    "MemoryData": _memory_data,
    "PReLU": _prelu,
    "PixelShuffle": _pixel_shuffle,
    "Sigmoid": _sigmoid,
    "Split": _split,
    "Swish": _swish,
}
