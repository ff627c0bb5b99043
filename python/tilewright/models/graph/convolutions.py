"""Turns the graph of a network into a list of convolutions, each with what is fused into it.

This is the form that our own engine runs. A convolution is fused with the activation, the scaling
and the additions that follow it; concatenations and enlargements become ways to read a tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from tilewright.errors import ModelError
from tilewright.models.graph.inputs import image_inputs
from tilewright.models.graph.nodes import attributes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UnsupportedGraphError(ModelError):
    """The graph has an operator, or a combination of operators, that the engine does not support."""


@dataclass(frozen=True, slots=True)
class Source:
    """A value that a convolution reads.

    Attributes:
        step: Index of the convolution that computes it.
        channels: Its number of channels.
        enlarge: Whether it is read at twice its size, with repeated pixels.
    """

    step: int
    channels: int
    enlarge: bool = False


@dataclass(slots=True)
class Convolution:
    """A convolution and what is fused into it.

    Attributes:
        inputs: The values that form its input; None for the network's input.
        weights: ``[outputs, inputs, side, side]``; side is 1 or 3.
        bias: One value per output.
        scale: Size of the result relative to the network's input.
        activation: ``"none"``, ``"prelu"``, ``"silu"`` or ``"attention"``, as in `_core.ConvNetwork`.
        slope: One value per output for ``"prelu"``; otherwise None.
        residuals: Steps whose results are added, each after the result was multiplied by a factor.
    """

    inputs: list[Source] | None
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: int
    activation: str = "none"
    slope: NDArray[np.float32] | None = None
    residuals: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ConvolutionList:
    """A network as a list of convolutions; the last one gives the result.

    Attributes:
        planes: Channels of the network's input.
        offset: Value per plane that is added to the input before the first convolution.
        factor: Value per plane by which the sum is multiplied.
        steps: The convolutions in the order in which they run.
    """

    planes: int
    offset: NDArray[np.float32]
    factor: NDArray[np.float32]
    steps: list[Convolution]


def exact_halo(steps: list[Convolution]) -> int:
    """Returns the context in input pixels beyond which nothing changes a result, not even by rounding.

    Winograd's F(4x4, 3x3) computes squares of 4 x 4 results from 6 x 6 values. Terms of values that
    a result does not depend on cancel only up to rounding. On the grid of the squares, that reaches
    2 pixels per layer and at most 1 pixel more in total: the outermost result of a square reads 1
    pixel beyond it, the outermost one of the neighbouring square, and that one reads 3 pixels more.
    """
    reach: list[float] = []
    for step in steps:
        own = 1.0 if step.inputs is None else (0.0 if step.weights.shape[2] == 1 else 2.0 / step.scale)
        read = [each.step for each in step.inputs or []] + [each for each, _ in step.residuals]
        reach.append(own + max((reach[each] for each in read), default=0.0))
    return math.ceil(reach[-1]) + 1


def list_convolutions(model: onnx.ModelProto) -> ConvolutionList:
    """Returns the convolutions of a network with NCHW input and output, without its tail.

    Raises:
        UnsupportedGraphError: The graph has something that the engine does not support; the message
            names it.
    """
    return _Lowering(model).lower()


@dataclass(frozen=True, slots=True)
class _Image:
    """The network's input after an offset and a factor per plane."""

    offset: NDArray[np.float32]
    factor: NDArray[np.float32]


class _Lowering:
    """State while a graph is turned into convolutions."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        images = image_inputs(model)
        if len(images) != 1 or len(graph.output) != 1:
            raise UnsupportedGraphError("the network has more than one input or output")
        self._nodes = list(graph.node)
        dims = images[0].type.tensor_type.shape.dim
        self._planes = dims[1].dim_value if len(dims) == 4 else 0
        if self._planes < 1:
            raise UnsupportedGraphError("the number of channels of the input is not fixed")
        self._output = graph.output[0].name
        self._weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self._nodes:
            if node.op_type == "Constant" and (value := attributes_of(node).get("value")) is not None:
                self._weights[node.output[0]] = numpy_helper.to_array(value)
            for name in dict.fromkeys(node.input):
                self._users.setdefault(name, []).append(node)
        self._images: dict[str, _Image] = {
            images[0].name: _Image(np.zeros(self._planes, np.float32), np.ones(self._planes, np.float32))
        }
        self._first: _Image | None = None  # what the first convolution reads
        self._values: dict[str, list[Source]] = {}
        self._steps: list[Convolution] = []
        self._fused: set[int] = set()

    def lower(self) -> ConvolutionList:
        for node in self._nodes:
            if id(node) in self._fused or node.op_type == "Constant":
                continue
            if node.op_type == "Conv":
                self._convolution(node)
            elif node.op_type in ("Sub", "Add", "Mul", "Div") and node.input[0] in self._images:
                self._image_arithmetic(node)
            elif node.op_type == "Concat" and attributes_of(node).get("axis") == 1:
                self._values[node.output[0]] = [part for name in node.input for part in self._value(name, node)]
            elif node.op_type == "Resize":
                self._enlargement(node)
            else:
                raise _unsupported(node)
        result = self._values.get(self._output)
        if result is None or len(result) != 1 or result[0].enlarge or result[0].step != len(self._steps) - 1:
            raise UnsupportedGraphError("the network does not end in a convolution")
        assert self._first is not None, "the first step reads it"
        return ConvolutionList(self._planes, self._first.offset, self._first.factor, self._steps)

    def _value(self, name: str, node: onnx.NodeProto) -> list[Source]:
        if name not in self._values:
            raise _unsupported(node)
        return self._values[name]

    def _image_arithmetic(self, node: onnx.NodeProto) -> None:
        """Follows a sum or a product of the input with a constant per plane."""
        image = self._images[node.input[0]]
        constant = self._weights.get(node.input[1])
        value = None if constant is None else _per_channel(constant, self._planes)
        if value is None:
            raise _unsupported(node)
        is_factor = node.op_type in ("Mul", "Div")
        if not is_factor and (image.factor != 1).any():
            raise _unsupported(node)
        if is_factor:
            factor = image.factor * value if node.op_type == "Mul" else image.factor / value
            self._images[node.output[0]] = _Image(image.offset, factor.astype(np.float32))
        else:
            offset = image.offset + value if node.op_type == "Add" else image.offset - value
            self._images[node.output[0]] = _Image(offset.astype(np.float32), image.factor)

    def _enlargement(self, node: onnx.NodeProto) -> None:
        """Follows a nearest-neighbour enlargement to twice the size."""
        attributes = attributes_of(node)
        scales = self._weights.get(node.input[2]) if len(node.input) > 2 else None
        sources = self._value(node.input[0], node)
        if (
            attributes.get("mode", b"nearest") != b"nearest"
            or scales is None
            or scales.tolist() != [1, 1, 2, 2]
            or not _repeats_pixels(attributes)
            or any(source.enlarge for source in sources)
        ):
            raise _unsupported(node)
        self._values[node.output[0]] = [Source(source.step, source.channels, enlarge=True) for source in sources]

    def _convolution(self, node: onnx.NodeProto) -> None:
        weights = self._weights.get(node.input[1])
        bias = self._weights.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if weights is None or not _keeps_size(node, weights):
            raise _unsupported(node)
        inputs, scale = None, 1
        if node.input[0] in self._images:
            if weights.shape[2] != 3 or (self._steps and self._steps[0].inputs is None):
                raise _unsupported(node)
            self._first = self._images[node.input[0]]
        else:
            inputs = self._value(node.input[0], node)
            scales = {self._steps[source.step].scale * (2 if source.enlarge else 1) for source in inputs}
            if len(scales) != 1:
                raise _unsupported(node)
            scale = scales.pop()
        bias = np.zeros(len(weights), np.float32) if bias is None else bias.astype(np.float32)
        step = Convolution(inputs, np.ascontiguousarray(weights, np.float32), bias, scale)
        name = self._fuse(node.output[0], step)
        self._steps.append(step)
        self._values[name] = [Source(len(self._steps) - 1, len(weights))]

    def _fuse(self, name: str, step: Convolution) -> str:
        """Fuses what follows a convolution as far as possible; returns the name of the result."""
        while name != self._output:
            users = self._users.get(name, [])
            following = self._activation(name, users, step) or self._addition(name, users, step)
            if following is None:
                break
            name = following
        return name

    def _activation(self, name: str, users: list[onnx.NodeProto], step: Convolution) -> str | None:
        if step.activation != "none" or step.residuals:
            return None
        if len(users) == 1 and users[0].op_type in ("PRelu", "LeakyRelu", "Relu"):
            slope = self._slope(users[0], len(step.bias))
            if slope is None:
                return None
            step.activation, step.slope = "prelu", slope
            return self._take(users)
        kinds = {user.op_type: user for user in users}
        gate = kinds.get("Sigmoid")
        if gate is None or len(users) != 2:
            return None
        if (product := kinds.get("Mul")) and set(product.input) == {name, gate.output[0]}:
            step.activation = "silu"
            self._fused.add(id(gate))
            return self._take([product])
        return self._attention(name, gate, kinds.get("Add"), step)

    def _attention(
        self, name: str, gate: onnx.NodeProto, total: onnx.NodeProto | None, step: Convolution
    ) -> str | None:
        """Fuses ``(x + residual) * (sigmoid(x) - 0.5)``."""
        shifts = self._users.get(gate.output[0], [])
        if total is None or len(shifts) != 1 or shifts[0].op_type != "Sub":
            return None
        products = self._users.get(total.output[0], [])
        half = self._weights.get(shifts[0].input[1])
        residual = self._residual(name, total, step)
        if half is None or half.size != 1 or float(half.reshape(())) != 0.5 or residual is None or len(products) != 1:
            return None
        if products[0].op_type != "Mul" or set(products[0].input) != {total.output[0], shifts[0].output[0]}:
            return None
        step.activation = "attention"
        step.residuals = [(residual, 1.0)]
        self._fused |= {id(gate), id(total), id(shifts[0])}
        return self._take(products)

    def _addition(self, name: str, users: list[onnx.NodeProto], step: Convolution) -> str | None:
        """Fuses ``x * factor + residual``, or the sum alone."""
        if len(users) != 1 or len(step.residuals) == 2:
            return None
        factor, total, fused = 1.0, users[0], []
        if total.op_type == "Mul":
            constants = [self._weights[each] for each in total.input if each in self._weights]
            following = self._users.get(total.output[0], [])
            if len(constants) != 1 or constants[0].size != 1 or len(following) != 1:
                return None
            factor, name = float(constants[0].reshape(())), total.output[0]
            fused, total = [total], following[0]
        if total.op_type != "Add" or (residual := self._residual(name, total, step)) is None:
            return None
        step.residuals.append((residual, factor))
        return self._take([*fused, total])

    def _residual(self, name: str, total: onnx.NodeProto, step: Convolution) -> int | None:
        """Returns the step whose result a sum adds; None if there is none yet, or of another shape."""
        others = [each for each in total.input if each != name]
        sources = self._values.get(others[0]) if len(others) == 1 else None
        if sources is None or len(sources) != 1 or sources[0].enlarge or sources[0].channels != len(step.bias):
            return None
        return sources[0].step if self._steps[sources[0].step].scale == step.scale else None

    def _slope(self, node: onnx.NodeProto, outputs: int) -> NDArray[np.float32] | None:
        if node.op_type == "PRelu":
            slope = self._weights.get(node.input[1])
            return None if slope is None else _per_channel(slope, outputs)
        alpha = attributes_of(node).get("alpha", 0.01) if node.op_type == "LeakyRelu" else 0.0
        return np.full(outputs, alpha, np.float32)

    def _take(self, nodes: list[onnx.NodeProto]) -> str:
        """Marks nodes as fused; returns the name of the last one's output."""
        self._fused |= {id(node) for node in nodes}
        return str(nodes[-1].output[0])


def _per_channel(values: NDArray[Any], channels: int) -> NDArray[np.float32] | None:
    """Returns one value per channel from an array that is broadcast to NCHW; None if it is not of this kind."""
    per_channel = values.ndim in (3, 4) and values.shape[-2:] == (1, 1) and values.shape[-3] == values.size
    if values.size != 1 and not (per_channel and values.size == channels):
        return None
    return np.broadcast_to(values.reshape(-1), channels).astype(np.float32)


def _repeats_pixels(attributes: dict[str, Any]) -> bool:
    """Whether an enlargement by 2 takes the pixel at ``floor(i / 2)``, in one of its two spellings."""
    transform = attributes.get("coordinate_transformation_mode", b"half_pixel")
    nearest = attributes.get("nearest_mode", b"round_prefer_floor")
    return (transform, nearest) in {(b"asymmetric", b"floor"), (b"half_pixel", b"round_prefer_floor")}


def _keeps_size(node: onnx.NodeProto, weights: NDArray[Any]) -> bool:
    attributes = attributes_of(node)
    side = weights.shape[2] if weights.ndim == 4 else 0
    return (
        weights.ndim == 4
        and weights.shape[2] == weights.shape[3]
        and side in (1, 3)
        and list(attributes.get("pads", [0, 0, 0, 0])) == [side // 2] * 4
        and list(attributes.get("strides", [1, 1])) == [1, 1]
        and list(attributes.get("dilations", [1, 1])) == [1, 1]
        and attributes.get("group", 1) == 1
        and attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
    )


def _unsupported(node: onnx.NodeProto) -> UnsupportedGraphError:
    name = f" {node.name!r}" if node.name else ""
    return UnsupportedGraphError(f"operator {node.op_type}{name} is not supported here")
