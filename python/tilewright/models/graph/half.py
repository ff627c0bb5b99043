"""A network in float16, for devices that are fast in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import onnx

from tilewright.runtimes import import_runtime

if TYPE_CHECKING:
    from collections.abc import Callable

# Operations that stay in float32, between two casts: what sums over many values or grows exponentially leaves the
# range of float16, or its precision, long before a network's other values do. Besides these only the scales of a
# Resize stay, whose type ONNX fixes.
KEPT_IN_FLOAT32 = (
    "Exp",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "Log",
    "Pow",
    "Range",
    "ReduceL2",
    "ReduceSum",
    "ReduceSumSquare",
    "Softmax",
)


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with its input, output, weights and all operations but those of `KEPT_IN_FLOAT32` in float16.

    Args:
        model: in float32; it is not changed.

    Raises:
        DeviceError: ONNX Runtime, whose converter this is, cannot be loaded.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    half: onnx.ModelProto = _converter()(copy, op_block_list=list(KEPT_IN_FLOAT32))
    _sort(half.graph)
    return half


def _converter() -> Callable[..., Any]:
    import_runtime("onnxruntime")
    path = list(sys.path)
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    finally:
        sys.path[:] = path  # that package adds its own folder, whose modules have names that are anybody's
    converter: Callable[..., Any] = convert_float_to_float16
    return converter


def _sort(graph: onnx.GraphProto) -> None:
    """Puts every node behind those that make what it reads: the converter leaves its casts at the end."""
    waiting = list(graph.node)
    missing = {name for node in waiting for name in node.output}
    ordered = []
    while waiting:
        later = []
        for node in waiting:
            if missing.isdisjoint(node.input):
                ordered.append(node)
                missing.difference_update(node.output)
            else:
                later.append(node)
        waiting = later
    del graph.node[:]
    graph.node.extend(ordered)
