"""Factors 2 and 3 from a network of factor 4: an anti-aliased rescale in float at the end of its graph.

The filter is Lanczos-3, ``sinc(x) sinc(x / 3)`` for ``|x| < 3``, widened by the reduction ratio so that it also removes
what the smaller grid cannot hold (the usual area-aware resampling of image libraries). Pixel centres lie at ``i +
1/2``, so the picture does not shift. The border is continued by its last pixel.

Between whole factors the filter repeats in a few phases, so one strided convolution with fixed weights computes it: one
output channel per phase, put in place by DepthToSpace. Such a convolution runs on every provider and in float16.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from tilewright.errors import ModelError

LOBES = 3

_Weights = npt.NDArray[np.float64]


def rescale_support(from_scale: int, to_scale: int) -> int:
    """Reach of the filter in pixels of the network's input, rounded up."""
    return math.ceil(Fraction(LOBES, to_scale)) if from_scale != to_scale else 0


def polyphase_weights(from_scale: int, to_scale: int) -> tuple[_Weights, int]:
    """The filter along one axis.

    Returns:
        Weights ``[phases, taps]`` in float64, each row summing to 1, and the offset of the first tap: output pixel
        ``phases * m + i`` is the sum over ``t`` of ``weights[i, t] * source[stride * m + offset + t]``, where
        ``phases / stride`` is ``to_scale / from_scale`` in lowest terms.
    """
    ratio = Fraction(from_scale, to_scale)
    phases = ratio.denominator
    half = Fraction(1, 2)
    centres = [(phase + half) * ratio - half for phase in range(phases)]
    support = LOBES * ratio
    # The filter is zero at exactly its support: those taps are left out.
    first = min(math.floor(centre - support) + 1 for centre in centres)
    last = max(math.ceil(centre + support) - 1 for centre in centres)
    positions = np.arange(first, last + 1, dtype=np.float64)
    x = (positions[None, :] - np.array([float(centre) for centre in centres])[:, None]) / float(ratio)
    weights = np.where(np.abs(x) < LOBES, np.sinc(x) * np.sinc(x / LOBES), 0.0)
    return weights / weights.sum(axis=1, keepdims=True), first


def append_rescale(model: onnx.ModelProto, from_scale: int, to_scale: int, *, channels: int = 3) -> onnx.ModelProto:
    """Ends a network of one factor with a rescale to a smaller one.

    Args:
        model: NCHW in and out, opset 11 or later; it is not changed.
        from_scale: the factor of `model`; 4.
        to_scale: the factor wanted; 2 or 3.
        channels: channels of its output.

    Returns:
        A new model; its output keeps name and element type.

    Raises:
        ModelError: another pair of factors, or a graph with more than one output.
    """
    if from_scale != 4 or to_scale not in (2, 3):
        raise ModelError(
            f"A network of factor {from_scale} cannot be rescaled to {to_scale}; 4 to 2 and 4 to 3 are offered.",
            code="unsupportedUpscaleFactor",
            parameter="upscaleFactor",
            allowed_values=[from_scale] if from_scale != 4 else [2, 3, 4],
        )
    if len(model.graph.output) != 1:
        raise ModelError(f"A network with exactly one output is expected; this one has {len(model.graph.output)}.")
    if _opset(model) < 11:
        raise ModelError(f"The network's opset is {_opset(model)}; a rescale needs 11 or later. Export it again.")

    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    output = graph.output[0]
    dtype = helper.tensor_dtype_to_np_dtype(output.type.tensor_type.elem_type)
    before = _rename_output(graph, output.name)

    ratio = Fraction(from_scale, to_scale)
    phases, stride = ratio.denominator, ratio.numerator
    weights, offset = polyphase_weights(from_scale, to_scale)
    taps = weights.shape[1]
    # The last block of `stride` pixels reads up to `offset + taps - stride` pixels beyond its end.
    pad_before, pad_after = -offset, offset + taps - stride
    pads = np.array([0, 0, pad_before, pad_before, 0, 0, pad_after, pad_after], np.int64)
    kernels = _dense_kernels(weights, channels).astype(dtype)
    graph.initializer.append(numpy_helper.from_array(pads, "rescale/pads"))
    graph.initializer.append(numpy_helper.from_array(kernels, "rescale/weight"))
    graph.node.append(helper.make_node("Pad", [before, "rescale/pads"], ["rescale/padded"], mode="edge"))
    graph.node.append(
        helper.make_node(
            "Conv",
            ["rescale/padded", "rescale/weight"],
            [output.name if phases == 1 else "rescale/phases"],
            kernel_shape=[taps, taps],
            strides=[stride, stride],
        )
    )
    if phases > 1:
        graph.node.append(
            helper.make_node("DepthToSpace", ["rescale/phases"], [output.name], blocksize=phases, mode="CRD")
        )
    for axis in (2, 3):
        dim = output.type.tensor_type.shape.dim[axis]
        if dim.dim_value:
            dim.dim_value = dim.dim_value * to_scale // from_scale
        else:
            # The old name may stand for the larger size elsewhere in the graph.
            dim.dim_param = f"rescaled_{axis}"
    del graph.value_info[:]
    return result


def _dense_kernels(weights: _Weights, channels: int) -> _Weights:
    """Two-dimensional kernels ``[channels * phases * phases, channels, taps, taps]``.

    Dense with zeros between colours rather than one group per colour: onnxruntime's CPU kernels take 1.7 times as long
    for the grouped form, and OpenVINO's about the same for both.
    """
    phases, taps = weights.shape
    # Output channel (c, i, j) is phase i down and j across of colour c: the order in which DepthToSpace (CRD) reads.
    kernels: _Weights = np.einsum("cd,iy,jx->cijdyx", np.eye(channels), weights, weights)
    return kernels.reshape(channels * phases * phases, channels, taps, taps)


def _opset(model: onnx.ModelProto) -> int:
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def _rename_output(graph: onnx.GraphProto, name: str) -> str:
    """Gives the tensor behind the graph's output another name, and returns it."""
    renamed = "rescale/source"
    for node in graph.node:
        for names in (node.input, node.output):
            for index, old in enumerate(names):
                if old == name:
                    names[index] = renamed
    return renamed
