"""Receptive field of a network, computed from its graph.

Along one axis, each position of a tensor depends on a range of input pixels, described by the first
and the last one. If a tensor has ``p`` positions per ``q`` input pixels, the range of position
``j + p`` is the range of position ``j`` shifted by ``q`` pixels. So ``p`` pairs of integers describe
a tensor exactly, for any combination of strides, upsampling and pixel shuffles.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from tilewright.models.graph.nodes import attributes_of

# Operations that compute each position from the same position of their inputs.
_POINTWISE = frozenset(
    {"Abs", "Add", "BatchNormalization", "Cast", "Clip", "Div", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid"}
    | {"HardSwish", "Identity", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "Pow", "PRelu", "Relu"}
    | {"Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Sum", "Tanh"}
)

# NCHW to NHWC and back; these transposes do not move pixels.
_LAYOUT_CHANGES = ([0, 3, 1, 2], [0, 2, 3, 1])

_Array = npt.NDArray[Any]
_Window = Callable[[int], tuple[int, int]]


class _UnboundedError(Exception):
    """The receptive field is unbounded, or cannot be computed from the graph."""


@dataclass(frozen=True, slots=True)
class _Field:
    """Receptive field of a tensor along one axis.

    Attributes:
        first: First input pixel of the range of each of the first positions.
        last: Last input pixel of the range of each of these positions.
        advance: Shift, in input pixels, after which the ranges repeat.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    advance: int

    @property
    def period(self) -> int:
        """Number of positions after which the ranges repeat."""
        return len(self.first)

    def through(self, window: _Window, ratio: Fraction = Fraction(1)) -> _Field:
        """Computes the field after an operation.

        Args:
            window: Function that gives the first and the last position that the operation reads for
                an output position.
            ratio: Output positions per position read.
        """
        # Windows repeat every ratio.numerator output positions, over ratio.denominator positions
        # read. The result repeats once the latter are whole periods of this tensor.
        repeats = self.period // math.gcd(self.period, ratio.denominator)
        windows = [window(position) for position in range(ratio.numerator * repeats)]
        return _Field(
            tuple(self._pixel(self.first, low) for low, _ in windows),
            tuple(self._pixel(self.last, high) for _, high in windows),
            self.advance * ratio.denominator * repeats // self.period,
        )

    def _pixel(self, table: tuple[int, ...], position: int) -> int:
        return table[position % self.period] + position // self.period * self.advance

    def union(self, other: _Field) -> _Field:
        """Computes the field of an operation that reads both tensors at the same position."""
        if self.period * other.advance != other.period * self.advance:
            raise _UnboundedError("an operation combines tensors of different scales")
        positions = range(math.lcm(self.period, other.period))
        return _Field(
            tuple(min(self._pixel(self.first, j), other._pixel(other.first, j)) for j in positions),
            tuple(max(self._pixel(self.last, j), other._pixel(other.last, j)) for j in positions),
            self.advance * len(positions) // self.period,
        )

    def radius(self) -> int:
        """Returns the largest distance between a position's own pixel and one it depends on."""
        owners = [position * self.advance // self.period for position in range(self.period)]
        return max(max(own - low, high - own) for own, low, high in zip(owners, self.first, self.last, strict=True))


def receptive_radius(model: onnx.ModelProto) -> int | None:
    """Computes the radius of a network's receptive field.

    An output pixel whose own input pixel is farther than this from a changed pixel stays the same.
    The radius is exact for convolutions, poolings, pixel shuffles, resizes by a constant factor,
    padding, slicing and pointwise operations. Kernels are taken as dense; where weights are zero,
    it is an upper bound.

    Returns:
        The larger radius of both axes, in input pixels; None if an operation mixes the whole
        picture or is not known.
    """
    try:
        return max(_axis_radius(model, axis) for axis in (0, 1))
    except _UnboundedError:
        return None


def _axis_radius(model: onnx.ModelProto, axis: int) -> int:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in _small_initializers(model)}
    weights = {tensor.name for tensor in model.graph.initializer}
    fields = {value.name: _Field((0,), (0,), 1) for value in model.graph.input if value.name not in weights}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant_value(node)
            continue
        sources = [fields[name] for name in node.input if name in fields]
        if sources:
            field = _node_field(_Node(node, constants), sources, axis)
            fields.update((name, field) for name in node.output)
    return max(fields[output.name].radius() if output.name in fields else 0 for output in model.graph.output)


def _small_initializers(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Returns scales, pads and the like, without weights, which would take time to copy."""
    return [tensor for tensor in model.graph.initializer if len(tensor.dims) <= 1 and math.prod(tensor.dims) <= 16]


def _constant_value(node: onnx.NodeProto) -> _Array:
    value = helper.get_attribute_value(node.attribute[0])
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


class _Node:
    """A node with access to its attributes and constant inputs."""

    def __init__(self, node: onnx.NodeProto, constants: Mapping[str, _Array]) -> None:
        self.op = node.op_type
        self._inputs = list(node.input)
        self._constants = constants
        self._attributes = attributes_of(node)

    def get(self, name: str, default: Any) -> Any:
        """Returns an attribute's value, bytes decoded to str."""
        value = self._attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def has_input(self, index: int) -> bool:
        return index < len(self._inputs) and bool(self._inputs[index])

    def constant(self, index: int) -> _Array:
        """Returns the value of an input, which must be constant."""
        if not self.has_input(index) or self._inputs[index] not in self._constants:
            raise _UnboundedError(f"{self.op}: input {index} is not constant")
        return self._constants[self._inputs[index]]


def _node_field(node: _Node, sources: list[_Field], axis: int) -> _Field:
    field = functools.reduce(_Field.union, sources)
    if node.op in _POINTWISE:
        return field
    if node.op in ("Concat", "Split") and node.get("axis", 0) in (1, -3):
        return field
    if node.op == "Transpose" and list(node.get("perm", [])) in _LAYOUT_CHANGES:
        return field
    rule = _RULES.get(node.op)
    if rule is None or len(sources) != 1:
        raise _UnboundedError(f"no rule for {node.op}")
    return rule(node, field, axis)


def _sliding(node: _Node, source: _Field, axis: int) -> _Field:
    kernel, stride, dilation, before = _kernel(node, axis)
    span = dilation * (kernel - 1)
    return source.through(lambda j: (j * stride - before, j * stride - before + span), Fraction(1, stride))


def _transposed(node: _Node, source: _Field, axis: int) -> _Field:
    kernel, stride, dilation, before = _kernel(node, axis)
    span = dilation * (kernel - 1)
    return source.through(lambda j: (-((span - j - before) // stride), (j + before) // stride), Fraction(stride))


def _kernel(node: _Node, axis: int) -> tuple[int, int, int, int]:
    """Returns kernel size, stride, dilation and leading padding along one axis."""
    sizes = node.get("kernel_shape", None)
    if sizes is None or len(sizes) != 2:
        raise _UnboundedError(f"{node.op} without a two-dimensional kernel_shape")
    kernel = int(sizes[axis])
    stride = int(node.get("strides", [1, 1])[axis])
    dilation = int(node.get("dilations", [1, 1])[axis])
    padding = node.get("auto_pad", "NOTSET")
    if padding in ("NOTSET", "VALID"):
        return kernel, stride, dilation, int(node.get("pads", [0, 0, 0, 0])[axis])
    total = dilation * (kernel - 1)
    # With a stride, automatic padding depends on the picture's size. The mode's name says how an
    # odd total splits.
    if stride != 1:
        raise _UnboundedError(f"{node.op} with {padding} and a stride")
    return kernel, stride, dilation, total // 2 if padding == "SAME_UPPER" else total - total // 2


def _depth_to_space(node: _Node, source: _Field, _axis: int) -> _Field:
    block = int(node.get("blocksize", 1))
    return source.through(lambda j: (j // block, j // block), Fraction(block))


def _space_to_depth(node: _Node, source: _Field, _axis: int) -> _Field:
    block = int(node.get("blocksize", 1))
    return source.through(lambda j: (j * block, j * block + block - 1), Fraction(1, block))


def _pad(node: _Node, source: _Field, axis: int) -> _Field:
    if node.has_input(3) or node.get("mode", "constant") == "wrap":
        raise _UnboundedError("Pad with given axes, or in mode wrap")
    before = int(node.constant(1)[2 + axis])
    return source.through(lambda j: (j - before, j - before))


def _slice(node: _Node, source: _Field, axis: int) -> _Field:
    if node.has_input(4):
        raise _UnboundedError("Slice with steps")
    # A slice without axes applies to the first ones.
    axes = [int(number) % 4 for number in node.constant(3)] if node.has_input(3) else list(range(node.constant(1).size))
    if 2 + axis not in axes:
        return source
    start = int(node.constant(1)[axes.index(2 + axis)])
    if start < 0:
        raise _UnboundedError("Slice with a start relative to the end")
    return source.through(lambda j: (j + start, j + start))


def _resize(node: _Node, source: _Field, axis: int) -> _Field:
    scales = node.constant(2)
    if scales.size != 4 or node.get("antialias", 0):
        raise _UnboundedError("Resize to a given size, or with an anti-aliasing filter")
    # float32 cannot represent ratios such as 4/3 exactly; the exporter meant the nearest simple
    # fraction.
    ratio = Fraction(float(scales[2 + axis])).limit_denominator(1000)
    mapping = node.get("coordinate_transformation_mode", "half_pixel")
    if mapping not in ("half_pixel", "pytorch_half_pixel", "asymmetric"):
        raise _UnboundedError(f"Resize with {mapping}")
    shift = Fraction(0) if mapping == "asymmetric" else Fraction(1, 2)
    mode = node.get("mode", "nearest")

    def window(position: int) -> tuple[int, int]:
        x = (position + shift) / ratio - shift
        if mode == "nearest":
            nearest = _ROUNDINGS[node.get("nearest_mode", "round_prefer_floor")](x)
            return nearest, nearest
        if mode == "linear":
            return math.floor(x), math.ceil(x)
        return math.floor(x) - 1, math.floor(x) + 2

    return source.through(window, ratio)


_ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda x: math.ceil(x - Fraction(1, 2)),
    "round_prefer_ceil": lambda x: math.floor(x + Fraction(1, 2)),
}

_RULES: dict[str, Callable[[_Node, _Field, int], _Field]] = {
    "AveragePool": _sliding,
    "Conv": _sliding,
    "ConvTranspose": _transposed,
    "DepthToSpace": _depth_to_space,
    "MaxPool": _sliding,
    "Pad": _pad,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
}
