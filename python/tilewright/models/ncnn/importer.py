"""Conversion of an ncnn network (``.param`` text and ``.bin`` weights) to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.errors import ModelError
from tilewright.models.ncnn.files import WeightReader, parse_param
from tilewright.models.ncnn.graph import Graph
from tilewright.models.ncnn.layers import EMITTERS

if TYPE_CHECKING:
    import onnx


def import_ncnn(param: str, weights: bytes, *, padding: int = 0, adds_input: int = 0) -> onnx.ModelProto:
    """Converts a network.

    Args:
        param: Text of the ``.param`` file.
        weights: Content of the ``.bin`` file, with float32 or float16 weights.
        padding: Width in pixels of a mirrored border that is added to the input, for a network
            whose unpadded convolutions remove as much.
        adds_input: Factor of a network that computes only the difference from its input enlarged by
            repeating pixels; the input is then added. 0 for any other network.

    Returns:
        An ONNX model, opset 17, from ``input`` float32 ``[n, 3, h, w]`` to ``output`` float32 ``[n,
        3, out_h, out_w]``, with float32 weights and the value range of the ncnn network.

    Raises:
        ModelError: A damaged or truncated file, quantised weights, or a layer or option that is not
            supported; the message names the layer.
    """
    layers = parse_param(param)
    graph = Graph(layers, WeightReader(weights), padding=padding, adds_input=adds_input)
    for layer in layers:
        emit = EMITTERS.get(layer.kind)
        if emit is None:
            raise ModelError(f"{layer}: layer type not supported; supported types: {', '.join(sorted(EMITTERS))}")
        emit(graph, layer)
    graph.weights.finish()
    return graph.build()
