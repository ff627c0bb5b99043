"""Computes the least computation and memory traffic of a network from its graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import shape_inference

from tilewright.models.graph.cost import flops_per_pixel
from tilewright.models.graph.fixed_shape import with_fixed_shape

if TYPE_CHECKING:
    import onnx

_SIDE = 64
_FLOAT16_BYTES = 2


@dataclass(frozen=True, slots=True)
class Work:
    """Computation and memory traffic per input pixel.

    Attributes:
        flops: Operations; a multiply-add counts as two.
        bytes_fused: Bytes moved if every convolution reads its input once and writes its result
            once in float16, all other operations are fused into convolutions, and weights stay in
            the cache.
    """

    flops: float
    bytes_fused: float

    def floor_ms(self, pixels: int, *, tflop_per_s: float, gb_per_s: float) -> float:
        """Returns the least time on a device that computes and moves data at the same time.

        Args:
            pixels: Number of input pixels.
            tflop_per_s: Peak rate of computation.
            gb_per_s: Peak rate of memory traffic.

        Returns:
            Milliseconds.
        """
        return max(self.flops * pixels / tflop_per_s / 1e9, self.bytes_fused * pixels / gb_per_s / 1e6)


def work_of(network: onnx.ModelProto) -> Work:
    """Computes the work of a network with NCHW input and output."""
    inferred = shape_inference.infer_shapes(with_fixed_shape(network, 1, _SIDE, _SIDE), data_prop=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    sizes = {value.name: math.prod(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values}
    moved = sum(sizes[node.input[0]] + sizes[node.output[0]] for node in inferred.node if node.op_type == "Conv")
    return Work(flops_per_pixel(network), moved * _FLOAT16_BYTES / _SIDE**2)
