"""Operations and memory of a network, from its graph."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from support.networks import REPEAT, network, resize
from tilewright.models.graph.cost import bytes_per_pixel, flops_per_pixel

CONSTANTS = {
    "w2": np.ones((3, 3, 2, 2), np.float32),
    "w3": np.ones((3, 3, 3, 3), np.float32),
    "up2": np.array([1, 1, 2, 2], np.float32),
}


def conv(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, "w3"], [target], kernel_shape=[3, 3], pads=[1] * 4)


def test_a_multiply_add_counts_as_two_operations() -> None:
    nodes = [
        resize("x", "a", "up2", **REPEAT),
        conv("a", "b"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    # Four output pixels per input pixel, three channels each: 2 * 27 for the convolution, 1 for the
    # ReLU.
    assert flops_per_pixel(network(nodes, CONSTANTS)) == 4 * 3 * (2 * 27 + 1)


def test_operations_of_a_transposed_convolution_are_counted_per_input_element() -> None:
    nodes = [helper.make_node("ConvTranspose", ["x", "w2"], ["y"], kernel_shape=[2, 2], strides=[2, 2])]
    assert flops_per_pixel(network(nodes, CONSTANTS)) == 2 * 3 * 3 * 4


def test_bytes_are_the_peak_of_live_tensors() -> None:
    chain = [conv("x", "a"), conv("a", "b"), conv("b", "y")]
    assert bytes_per_pixel(network(chain, CONSTANTS)) == 2 * 3 * 4
    # A skip connection keeps the input alive to the end: input, last activation, output.
    skip = [conv("x", "a"), conv("a", "b"), helper.make_node("Add", ["x", "b"], ["y"])]
    assert bytes_per_pixel(network(skip, CONSTANTS)) == 3 * 3 * 4
    enlarged = [resize("x", "y", "up2", **REPEAT)]
    assert bytes_per_pixel(network(enlarged, CONSTANTS)) == (1 + 4) * 3 * 4
