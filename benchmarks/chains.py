"""Small networks of equal convolutions, which show the speed of one kind of layer.

Runtimes take whole graphs, and change the layout of tensors at their borders: with 64 channels, that
would take longer than the layer. So a chain begins with a layer that reads a picture of 3 planes,
and ends with one that writes few planes. Between them are `COPIES` equal layers, which have at least
95 % of the arithmetic. Layers with more inputs than outputs read the results of several layers
before them, as in dense blocks; runtimes that copy these results together do so in such networks too.

Only the first and the last layers of networks are measured as a pair, with their planes, since
reading and writing planes is part of their work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tilewright._core import ConvNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx
    from numpy.typing import NDArray

PLANES = 3
COPIES = 8

# Slope of LeakyReLU in RRDBNet.
SLOPE = 0.2

# Our engine has no activation for LeakyReLU: it is PReLU with equal slopes.
_NATIVE_ACTIVATIONS = {"leaky": "prelu"}


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution with bias that keeps the size, without its weights.

    Attributes:
        read: Numbers of the layers whose results form its input; none for the picture.
        outputs: Channels of its result.
        activation: ``"none"``, ``"prelu"``, ``"leaky"`` or ``"silu"``.
        side: Side of the kernel, 3 or 1.
    """

    read: tuple[int, ...]
    outputs: int
    activation: str = "none"
    side: int = 3


def ends(channels: int, outputs: int) -> list[Layer]:
    """Returns the first and the last layer of a network."""
    return [Layer((), channels, "prelu"), Layer((0,), outputs)]


def repeated(inputs: int, outputs: int, activation: str = "none", side: int = 3) -> list[Layer]:
    """Returns `COPIES` equal layers between a first and a last one.

    Args:
        inputs: Channels that a layer reads; a multiple of `outputs`. Each one reads the results of
            the last ``inputs / outputs`` layers. At the beginning, the first one stands for those
            that are missing.
        outputs: Channels of a result.
        activation: See `Layer`.
        side: Side of the kernel.
    """
    window = inputs // outputs
    copies = [
        Layer(tuple(max(0, number - i) for i in range(window)), outputs, activation, side) for number in range(COPIES)
    ]
    return [Layer((), outputs), *copies, Layer((COPIES,), PLANES)]


class Chain:
    """Layers with random weights.

    Attributes:
        flops_per_pixel: Floating-point operations of a direct convolution, for each pixel.
        outputs: Channels of the result.
    """

    def __init__(self, layers: list[Layer]) -> None:
        rng = np.random.default_rng(0)
        self._layers = layers
        self._weights: list[NDArray[np.float32]] = []
        self._biases: list[NDArray[np.float32]] = []
        self._slopes: list[NDArray[np.float32]] = []
        for layer in layers:
            depth = sum(layers[i].outputs for i in layer.read) or PLANES
            gain = 1 if layer.activation == "none" else 2**0.5  # keeps the size of values about the same
            deviation = gain * (depth * layer.side**2) ** -0.5
            shape = (layer.outputs, depth, layer.side, layer.side)
            self._weights.append(rng.normal(0, deviation, shape).astype(np.float32))
            self._biases.append(rng.normal(0, 0.1, layer.outputs).astype(np.float32))
            low, high = (SLOPE, SLOPE) if layer.activation == "leaky" else (0, 0.5)
            self._slopes.append(rng.uniform(low, high, layer.outputs).astype(np.float32))
        self.flops_per_pixel = 2 * sum(weights.size for weights in self._weights)
        self.outputs = layers[-1].outputs

    def native(self, threads: int) -> ConvNetwork:
        """Builds the chain in our engine."""
        network = ConvNetwork(PLANES, threads=threads)
        for layer, weights, bias, slope in zip(self._layers, self._weights, self._biases, self._slopes, strict=True):
            activation = _NATIVE_ACTIVATIONS.get(layer.activation, layer.activation)
            network.add_step(
                [(i, False) for i in layer.read] or None,
                weights=weights,
                bias=bias.tolist(),
                activation=activation,
                slope=slope.tolist() if activation == "prelu" else [],
            )
        return network

    def onnx(self, height: int, width: int) -> onnx.ModelProto:
        """Builds the chain as an ONNX network from ``[1, 3, height, width]`` to ``[1, outputs, height, width]``."""
        nodes, tensors = [], []
        for i, layer in enumerate(self._layers):
            inputs = [f"result{number}" for number in layer.read] or ["picture"]
            if len(inputs) > 1:
                nodes.append(helper.make_node("Concat", inputs, [f"joined{i}"], axis=1))
                inputs = [f"joined{i}"]
            tensors += [
                numpy_helper.from_array(self._weights[i], f"weights{i}"),
                numpy_helper.from_array(self._biases[i], f"bias{i}"),
            ]
            sums = f"result{i}" if layer.activation == "none" else f"sums{i}"
            pads = [layer.side // 2] * 4
            kernel = [layer.side] * 2
            inputs = [inputs[0], f"weights{i}", f"bias{i}"]
            nodes.append(helper.make_node("Conv", inputs, [sums], kernel_shape=kernel, pads=pads))
            if layer.activation == "prelu":
                tensors.append(numpy_helper.from_array(self._slopes[i].reshape(-1, 1, 1), f"slope{i}"))
            nodes += _ACTIVATIONS[layer.activation](i)
        ends = [("picture", PLANES), (f"result{len(self._layers) - 1}", self.outputs)]
        picture, result = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, height, width])
            for name, channels in ends
        )
        graph = helper.make_graph(nodes, "chain", [picture], [result], tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _prelu(i: int) -> list[onnx.NodeProto]:
    return [helper.make_node("PRelu", [f"sums{i}", f"slope{i}"], [f"result{i}"])]


def _leaky(i: int) -> list[onnx.NodeProto]:
    return [helper.make_node("LeakyRelu", [f"sums{i}"], [f"result{i}"], alpha=SLOPE)]


def _silu(i: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Sigmoid", [f"sums{i}"], [f"gate{i}"]),
        helper.make_node("Mul", [f"sums{i}", f"gate{i}"], [f"result{i}"]),
    ]


_ACTIVATIONS: dict[str, Callable[[int], list[onnx.NodeProto]]] = {
    "none": lambda _: [],
    "prelu": _prelu,
    "leaky": _leaky,
    "silu": _silu,
}
