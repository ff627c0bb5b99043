"""ncnn network (``.param`` text and ``.bin`` weights) to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.errors import ModelError
from tilewright.models.ncnn.files import WeightReader, parse_param
from tilewright.models.ncnn.graph import Graph
from tilewright.models.ncnn.layers import EMITTERS

if TYPE_CHECKING:
    import onnx


def import_ncnn(param: str, weights: bytes, *, padding: int = 0, adds_input: int = 0) -> onnx.ModelProto:
    """Converts one network.

    Args:
        param: text of the ``.param`` file.
        weights: content of the ``.bin`` file; float32 or float16 weights.
        padding: pixels by which the picture is mirrored beyond each side, for a network that gives so much less.
        adds_input: the network's factor when it gives only the difference from its input, every pixel of which is
            repeated so many times along both axes; else 0.

    Returns:
        An ONNX model, opset 17: ``input`` float32 ``[n, 3, h, w]`` to ``output`` float32 ``[n, 3, out_h, out_w]``,
        weights in float32, the same value range as the ncnn network's.

    Raises:
        ModelError: a damaged or truncated file, quantised weights, or a layer (or option of a layer) that is not
            supported; the message names it.
    """
    layers = parse_param(param)
    graph = Graph(layers, WeightReader(weights), padding=padding, adds_input=adds_input)
    for layer in layers:
        emit = EMITTERS.get(layer.kind)
        if emit is None:
            raise ModelError(f"{layer}: this layer type is not supported; supported are {', '.join(sorted(EMITTERS))}.")
        emit(graph, layer)
    graph.weights.finish()
    return graph.build()
