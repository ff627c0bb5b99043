"""What a network has to compute and to move at least, from its graph: no clock, no device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import shape_inference

from tilewright.models.graph.cost import flops_per_pixel
from tilewright.models.graph.fixed_shape import with_shape

if TYPE_CHECKING:
    import onnx

_SIDE = 64
_FLOAT16_BYTES = 2


@dataclass(frozen=True, slots=True)
class Work:
    """For each input pixel.

    Attributes:
        flops: a multiply-add as two.
        bytes_fused: every convolution reads its input once and writes its result once, in float16; all other
            operations are part of the one before or behind, and weights count for nothing.
    """

    flops: float
    bytes_fused: float

    def floor_ms(self, pixels: int, *, tflop_per_s: float, gb_per_s: float) -> float:
        """Least milliseconds on a device that computes and moves so much, and does both at once."""
        return max(self.flops * pixels / tflop_per_s / 1e9, self.bytes_fused * pixels / gb_per_s / 1e6)


def work_of(network: onnx.ModelProto) -> Work:
    """That of a network, NCHW in and out."""
    inferred = shape_inference.infer_shapes(with_shape(network, 1, _SIDE, _SIDE), data_prop=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    sizes = {value.name: math.prod(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values}
    moved = sum(sizes[node.input[0]] + sizes[node.output[0]] for node in inferred.node if node.op_type == "Conv")
    return Work(flops_per_pixel(network), moved * _FLOAT16_BYTES / _SIDE**2)
