"""ncnn's layer types: one function each, which appends ONNX nodes to a `Graph`.

To support another type, write its function and add it to `EMITTERS`. The layers are defined by
ncnn's "operators" documentation; the tests compare with ncnn itself.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from tilewright.errors import ModelError
from tilewright.models.ncnn.graph import REPEATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tilewright.models.ncnn.files import Layer
    from tilewright.models.ncnn.graph import Graph


# ncnn's placeholder for a value given by another input, and for a crop up to the picture's edge.
_FROM_INPUT = _TO_EDGE = -233

# End of a Slice up to the edge, in ONNX.
_SLICE_TO_EDGE = 2**31 - 1


def _input(_graph: Graph, _layer: Layer) -> None:
    """Emits nothing, because the graph always declares its input."""


def _split(graph: Graph, layer: Layer) -> None:
    source = graph.input(layer)
    for blob in layer.outputs:
        graph.alias(blob, source)


def _memory_data(graph: Graph, layer: Layer) -> None:
    width, height, depth, channels = (layer.integer(key, 0) for key in (0, 1, 11, 2))
    if depth or layer.integer(21, 1) != 1:
        raise ModelError(f"{layer}: only float32 constants of at most three dimensions are supported")
    # A constant of one dimension holds one value per channel.
    shape = (channels, height, width) if channels else (width, 1, 1) if not height else None
    if shape is None:
        raise ModelError(f"{layer}: a constant of two dimensions ({height} x {width}) is not supported")
    if min(shape) < 1:
        raise ModelError(f"{layer}: a constant of shape {shape} is empty")
    values = graph.weights.raw(math.prod(shape), layer)
    graph.constant(graph.output(layer), values.reshape(shape))


def _convolution(graph: Graph, layer: Layer) -> None:
    _kernels(graph, layer, transposed=False)


def _deconvolution(graph: Graph, layer: Layer) -> None:
    if any(layer.integer(key, 0) for key in (18, 19, 20, 21)):
        raise ModelError(f"{layer}: padding of the output and a fixed output size are not supported")
    _kernels(graph, layer, transposed=True)


def _kernels(graph: Graph, layer: Layer, *, transposed: bool) -> None:
    """Emits a convolution; if transposed, its padding is cropped from the output."""
    outputs, size = layer.integer(0, 0), layer.integer(6, 0)
    kernel_w = layer.integer(1, 0)
    kernel_h = layer.integer(11, kernel_w)
    left = layer.integer(4, 0)
    right, top = layer.integer(15, left), layer.integer(14, left)
    bottom = layer.integer(16, top)
    if min(left, right, top, bottom) < 0 or (not transposed and layer.real(18, 0.0) != 0.0):
        raise ModelError(f"{layer}: automatic padding and padding with a value other than 0 are not supported")
    if layer.integer(8, 0) or layer.integer(28 if transposed else 19, 0):
        raise ModelError(f"{layer}: int8 weights and weights computed by another layer are not supported")
    taps = outputs * kernel_h * kernel_w
    if taps <= 0 or size <= 0 or size % taps:
        raise ModelError(f"{layer}: {size} weights do not fill {outputs} kernels of {kernel_h} x {kernel_w}")

    output = graph.output(layer)
    weight = graph.weights.flagged(size, layer).reshape(outputs, size // taps, kernel_h, kernel_w)
    if transposed:
        weight = weight.swapaxes(0, 1)  # ONNX stores the input channels first
    inputs = [graph.input(layer), graph.constant(f"{output}/weight", weight)]
    if layer.integer(5, 0):
        inputs.append(graph.constant(f"{output}/bias", graph.weights.raw(outputs, layer)))
    stride_w, dilation_w = layer.integer(3, 1), layer.integer(2, 1)
    with _activated(graph, layer, output) as linear:
        graph.node(
            "ConvTranspose" if transposed else "Conv",
            inputs,
            linear,
            kernel_shape=[kernel_h, kernel_w],
            strides=[layer.integer(13, stride_w), stride_w],
            dilations=[layer.integer(12, dilation_w), dilation_w],
            pads=[top, left, bottom, right],
        )


@contextmanager
def _activated(graph: Graph, layer: Layer, output: str) -> Iterator[str]:
    """Yields the name of the tensor to compute, then emits the layer's folded activation."""
    activation = layer.integer(9, 0)
    if not activation:
        yield output
        return
    yield (linear := f"{output}/linear")
    if activation == 1:
        graph.node("Relu", [linear], output)
    elif activation == 2:
        graph.node("LeakyRelu", [linear], output, alpha=_leaky_slope(layer))
    elif activation == 4:
        graph.node("Sigmoid", [linear], output)
    else:
        raise ModelError(
            f"{layer}: folded activation {activation} is not supported, only 1 (ReLU), 2 (leaky ReLU) and 4 (sigmoid)"
        )


def _leaky_slope(layer: Layer) -> float:
    values = layer.reals(10)
    if len(values) != 1:
        raise ModelError(f"{layer}: a leaky ReLU must have one slope, but parameter 10 is {values!r}")
    return values[0]


def _pooling(graph: Graph, layer: Layer) -> None:
    if layer.integer(0, 0) != 1 or not layer.integer(4, 0):
        raise ModelError(f"{layer}: only the average over the whole picture is supported")
    output = graph.output(layer)
    graph.node("GlobalAveragePool", [graph.input(layer)], output)
    graph.vectors.add(output)


def _inner_product(graph: Graph, layer: Layer) -> None:
    outputs, size = layer.integer(0, 0), layer.integer(2, 0)
    source = graph.input(layer)
    if source not in graph.vectors:
        raise ModelError(f"{layer}: a matrix product is supported for one value per channel only")
    if layer.integer(8, 0):
        raise ModelError(f"{layer}: int8 weights are not supported")
    if outputs <= 0 or size <= 0 or size % outputs:
        raise ModelError(f"{layer}: {size} weights do not fill {outputs} rows")

    output = graph.output(layer)
    weight = graph.weights.flagged(size, layer).reshape(outputs, size // outputs, 1, 1)
    inputs = [source, graph.constant(f"{output}/weight", weight)]
    if layer.integer(1, 0):
        inputs.append(graph.constant(f"{output}/bias", graph.weights.raw(outputs, layer)))
    # Values per channel are stored as pictures of one pixel, for which a convolution equals a
    # matrix product.
    with _activated(graph, layer, output) as linear:
        graph.node("Conv", inputs, linear, kernel_shape=[1, 1])
    graph.vectors.add(output)


def _scale(graph: Graph, layer: Layer) -> None:
    if layer.integer(0, 0) != _FROM_INPUT or layer.integer(1, 0) or len(layer.inputs) != 2:
        raise ModelError(f"{layer}: only scaling by a second input, without a bias, is supported")
    graph.node("Mul", graph.inputs(layer), graph.output(layer))


def _crop(graph: Graph, layer: Layer) -> None:
    starts, ends, axes = (tuple(map(int, layer.reals(key))) for key in (9, 10, 11))
    if len(layer.inputs) == 2 and not (starts or ends or axes):
        # A crop to the size of the second input. U-Nets crop the middle, so the same amount is cut
        # off on both sides; for any other network, the tensors differ in size and the runtime
        # reports an error.
        across, down = layer.integer(0, 0), layer.integer(1, 0)
        starts, ends, axes = (down, across), (-down, -across), (-2, -1)
        unsupported = range(2, 9)
    elif len(layer.inputs) == 1 and starts and len(starts) == len(ends) == len(axes):
        unsupported = range(9)
    else:
        raise ModelError(f"{layer}: only a crop to another input's size, or by starts, ends and axes, is supported")
    if any(layer.integer(key, 0) for key in unsupported):
        raise ModelError(f"{layer}: cropping channels and a fixed size are not supported")
    ends = tuple(0 if end == _TO_EDGE else end for end in ends)
    if not {*axes} <= {-2, -1, 1, 2} or min(starts) < 0 or max(ends) > 0:
        raise ModelError(f"{layer}: only cropping at each side of a picture is supported")
    output = graph.output(layer)
    bounds = {
        "starts": starts,
        "ends": [end or _SLICE_TO_EDGE for end in ends],
        "axes": [axis + 1 if axis > 0 else axis for axis in axes],
    }
    constants = [graph.integers(f"{output}/{name}", values) for name, values in bounds.items()]
    graph.node("Slice", [graph.tensor(layer.inputs[0], layer), *constants], output)


def _prelu(graph: Graph, layer: Layer) -> None:
    output = graph.output(layer)
    slope = graph.weights.raw(layer.integer(0, 0), layer).reshape(-1, 1, 1)
    graph.node("PRelu", [graph.input(layer), graph.constant(f"{output}/slope", slope)], output)


def _pixel_shuffle(graph: Graph, layer: Layer) -> None:
    mode = "DCR" if layer.integer(1, 0) else "CRD"
    graph.node("DepthToSpace", [graph.input(layer)], graph.output(layer), blocksize=layer.integer(0, 1), mode=mode)


# ncnn's resize types as attributes of ONNX's Resize.
_RESIZE_ATTRIBUTES: dict[int, dict[str, str]] = {
    1: REPEATED,
    2: {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}


def _interp(graph: Graph, layer: Layer) -> None:
    kind = layer.integer(0, 0)
    if kind not in _RESIZE_ATTRIBUTES:
        raise ModelError(f"{layer}: resize type {kind} is not supported, only 1 (nearest) and 2 (bilinear)")
    if any(layer.integer(key, 0) for key in (3, 4, 5, 6)):
        raise ModelError(f"{layer}: a fixed or computed target size and aligned corners are not supported")
    output = graph.output(layer)
    scales = np.array([1.0, 1.0, layer.real(1, 1.0), layer.real(2, 1.0)], np.float32)
    inputs = [graph.input(layer), "", graph.constant(f"{output}/scales", scales)]
    graph.node("Resize", inputs, output, **_RESIZE_ATTRIBUTES[kind])


_BINARY_OPS = {0: "Add", 1: "Sub", 2: "Mul", 3: "Div", 4: "Max", 5: "Min"}


def _binary_op(graph: Graph, layer: Layer) -> None:
    kind = layer.integer(0, 0)
    if kind not in _BINARY_OPS:
        raise ModelError(f"{layer}: operation {kind} is not supported, only {sorted(_BINARY_OPS)}")
    output = graph.output(layer)
    operands = graph.inputs(layer)
    if layer.integer(1, 0):
        operands.append(graph.constant(f"{output}/scalar", np.array(layer.real(2, 0.0), np.float32)))
    if len(operands) != 2:
        raise ModelError(f"{layer}: two operands are expected, not {len(operands)}")
    graph.node(_BINARY_OPS[kind], operands, output)


def _eltwise(graph: Graph, layer: Layer) -> None:
    if layer.integer(0, 0) != 1:
        raise ModelError(f"{layer}: operation {layer.integer(0, 0)} is not supported, only 1 (sum)")
    output = graph.output(layer)
    sources = graph.inputs(layer)
    coefficients = layer.reals(1) or (1.0,) * len(sources)
    if len(coefficients) != len(sources):
        raise ModelError(f"{layer}: {len(coefficients)} coefficients for {len(sources)} inputs")
    terms = []
    for index, (source, coefficient) in enumerate(zip(sources, coefficients, strict=True)):
        if coefficient != 1.0:
            factor = graph.constant(f"{output}/coefficient{index}", np.array(coefficient, np.float32))
            source = graph.node("Mul", [source, factor], f"{output}/term{index}")
        terms.append(source)
    graph.node("Sum" if len(terms) != 2 else "Add", terms, output)


def _concat(graph: Graph, layer: Layer) -> None:
    # ncnn counts axes from the channels on, ONNX from the batch on.
    axis = layer.integer(0, 0)
    graph.node("Concat", graph.inputs(layer), graph.output(layer), axis=axis + 1 if axis >= 0 else axis)


def _sigmoid(graph: Graph, layer: Layer) -> None:
    graph.node("Sigmoid", [graph.input(layer)], graph.output(layer))


def _swish(graph: Graph, layer: Layer) -> None:
    output = graph.output(layer)
    source = graph.input(layer)
    graph.node("Mul", [source, graph.node("Sigmoid", [source], f"{output}/sigmoid")], output)


EMITTERS: dict[str, Callable[[Graph, Layer], None]] = {
    "BinaryOp": _binary_op,
    "Concat": _concat,
    "Convolution": _convolution,
    "Crop": _crop,
    "Deconvolution": _deconvolution,
    "Eltwise": _eltwise,
    "InnerProduct": _inner_product,
    "Input": _input,
    "Interp": _interp,
    "MemoryData": _memory_data,
    "PReLU": _prelu,
    "PixelShuffle": _pixel_shuffle,
    "Pooling": _pooling,
    "Scale": _scale,
    "Sigmoid": _sigmoid,
    "Split": _split,
    "Swish": _swish,
}
