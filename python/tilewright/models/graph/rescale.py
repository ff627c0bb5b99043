"""Smaller factors from a network of factor 3 or more: an anti-aliased downscale appended to its graph.

The filter is Lanczos-3, ``sinc(x) sinc(x / 3)`` for ``|x| < 3``, widened by the reduction ratio so
that it also removes frequencies that the smaller grid cannot represent, as image libraries do.
Pixel centres are at ``i + 1/2``, so the picture does not shift. Beyond the border the edge pixels
are repeated.

For ratios of such factors the filter repeats in at most three phases, so one strided convolution with fixed
weights computes it: one output channel per phase, then DepthToSpace. Every runtime supports such a
convolution, also in float16.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from tilewright.errors import ModelError
from tilewright.literals import FACTORS
from tilewright.models.graph.nodes import attributes_of
from tilewright.models.graph.subgraph import extract_head

LOBES = 3

_RATIOS = [(large, small) for large in FACTORS for small in FACTORS if 1 < small < large]

_MOST_PHASES = 3

_Weights = npt.NDArray[np.float64]


def can_rescale(from_scale: int, to_scale: int) -> bool:
    """Returns whether `append_rescale` supports a pair of factors."""
    return 2 <= to_scale < from_scale and Fraction(from_scale, to_scale).denominator <= _MOST_PHASES


def rescale_support(from_scale: int, to_scale: int) -> int:
    """Returns the filter's radius in input pixels, rounded up; 0 if the scales are equal."""
    return math.ceil(Fraction(LOBES, to_scale)) if from_scale != to_scale else 0


def polyphase_weights(from_scale: int, to_scale: int) -> tuple[_Weights, int]:
    """Computes the filter along one axis.

    Returns:
        Weights ``[phases, taps]`` in float64, each row summing to 1, and the offset of the first
        tap. Output pixel ``phases * m + i`` is the sum over ``t`` of ``weights[i, t] *
        source[stride * m + offset + t]``, where ``phases / stride`` is ``to_scale / from_scale`` in
        lowest terms.
    """
    ratio = Fraction(from_scale, to_scale)
    phases = ratio.denominator
    half = Fraction(1, 2)
    centres = [(phase + half) * ratio - half for phase in range(phases)]
    support = LOBES * ratio
    # The filter is zero at a distance of exactly its support, so those taps are left out.
    first = min(math.floor(centre - support) + 1 for centre in centres)
    last = max(math.ceil(centre + support) - 1 for centre in centres)
    positions = np.arange(first, last + 1, dtype=np.float64)
    x = (positions[None, :] - np.array([float(centre) for centre in centres])[:, None]) / float(ratio)
    weights = np.where(np.abs(x) < LOBES, np.sinc(x) * np.sinc(x / LOBES), 0.0)
    return weights / weights.sum(axis=1, keepdims=True), first


def input_weights(from_scale: int, to_scale: int) -> tuple[_Weights, int]:
    """Computes the filter along one axis for the pixels of the network's input.

    Returns:
        Weights ``[to_scale, taps]`` in float64, and the offset of the first tap. Output pixel
        ``to_scale * m + i`` is the sum over ``t`` of ``weights[i, t] * source[from_scale * m + offset
        + t]``, as in `polyphase_weights`, of which this repeats the phases.
    """
    weights, first = polyphase_weights(from_scale, to_scale)
    phases, taps = weights.shape
    stride = phases * from_scale // to_scale
    repeats = to_scale // phases
    repeated = np.zeros((to_scale, taps + (repeats - 1) * stride))
    for i in range(repeats):
        repeated[i * phases : (i + 1) * phases, i * stride : i * stride + taps] = weights
    return repeated, first


def append_rescale(model: onnx.ModelProto, from_scale: int, to_scale: int, *, channels: int = 3) -> onnx.ModelProto:
    """Appends a rescale to a smaller factor to a network.

    Args:
        model: A network with NCHW input and output, opset 11 or later; it is not changed.
        from_scale: Factor of `model`.
        to_scale: Smaller factor of the result. In lowest terms, the ratio must have at most 3 on this
            side: 4 to 3 will do, 8 to 5 will not.
        channels: Channels of the network's output.

    Returns:
        The new network. Its output keeps its name and element type.

    Raises:
        ModelError: Another pair of factors, an older opset, or a graph with more than one output.
    """
    _check(model, from_scale, to_scale)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    output = graph.output[0]
    dtype = helper.tensor_dtype_to_np_dtype(output.type.tensor_type.elem_type)
    source = _rename_output(graph, output.name)

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
    graph.node.append(helper.make_node("Pad", [source, "rescale/pads"], ["rescale/padded"], mode="edge"))
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
    _rescale_shape(output, from_scale, to_scale)
    del graph.value_info[:]
    return result


def cut_rescale(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int, int] | None:
    """Separates a network from a rescale at its end.

    Args:
        model: A network; it is not changed.

    Returns:
        The network without the rescale, and the rescale's two factors; None if there is none.
    """
    for from_scale, to_scale in _RATIOS:
        if (source := _source_of(model, from_scale, to_scale)) is not None:
            planes = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
            return extract_head(model, source, planes), from_scale, to_scale
    return None


def _source_of(model: onnx.ModelProto, from_scale: int, to_scale: int) -> str | None:
    """Returns the tensor that the nodes of `append_rescale` read, if a network ends in exactly these nodes."""
    weights, offset = polyphase_weights(from_scale, to_scale)
    phases, taps = weights.shape
    stride = phases * from_scale // to_scale
    after = offset + taps - stride
    expected: list[tuple[str, dict[str, object]]] = [
        ("Conv", {"kernel_shape": [taps, taps], "strides": [stride, stride]}),
        ("Pad", {"mode": b"edge"}),
    ]
    if phases > 1:
        expected.insert(0, ("DepthToSpace", {"blocksize": phases, "mode": b"CRD"}))
    makers = {name: node for node in model.graph.node for name in node.output}
    readers = [name for node in model.graph.node for name in node.input]
    name, found = model.graph.output[0].name, list[onnx.NodeProto]()
    for operator, attributes in expected:
        node = makers.get(name)
        if node is None or node.op_type != operator or readers.count(name) != min(len(found), 1):
            return None
        if attributes_of(node) != attributes:
            return None
        found.append(node)
        name = node.input[0]
    convolution, padding = found[-2:]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    kernels, pads = constants.get(convolution.input[1]), constants.get(padding.input[1])
    if kernels is None or pads is None or len(convolution.input) != 2 or kernels.ndim != 4:
        return None
    if pads.tolist() != [0, 0, -offset, -offset, 0, 0, after, after]:
        return None
    return name if np.array_equal(kernels, _dense_kernels(weights, kernels.shape[1]).astype(kernels.dtype)) else None


def _check(model: onnx.ModelProto, from_scale: int, to_scale: int) -> None:
    """Raises ModelError if `append_rescale` does not support the network or the factors."""
    if not can_rescale(from_scale, to_scale):
        raise ModelError(
            f"a network of factor {from_scale} cannot be rescaled to {to_scale}",
            code="unsupportedUpscaleFactor",
            parameter="upscaleFactor",
            allowed_values=[from_scale],
        )
    if len(model.graph.output) != 1:
        raise ModelError(f"the network must have exactly one output, not {len(model.graph.output)}")
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < 11:
        raise ModelError(f"the network's opset is {opset}, but a rescale needs 11 or later; export it again")


def _rescale_shape(output: onnx.ValueInfoProto, from_scale: int, to_scale: int) -> None:
    for axis in (2, 3):
        dim = output.type.tensor_type.shape.dim[axis]
        if dim.dim_value:
            dim.dim_value = dim.dim_value * to_scale // from_scale
        else:
            # The old name may denote the larger size elsewhere in the graph.
            dim.dim_param = f"rescaled_{axis}"


def _dense_kernels(weights: _Weights, channels: int) -> _Weights:
    """Makes two-dimensional kernels ``[channels * phases * phases, channels, taps, taps]``.

    They are dense, with zeros between colours, rather than one group per colour: onnxruntime's CPU
    kernels take 1.7 times as long for groups, and OpenVINO's take about the same time for both.
    """
    phases, taps = weights.shape
    # Output channel (c, i, j) is vertical phase i and horizontal phase j of colour c, the order of
    # DepthToSpace (CRD).
    kernels: _Weights = np.einsum("cd,iy,jx->cijdyx", np.eye(channels), weights, weights)
    return kernels.reshape(channels * phases * phases, channels, taps, taps)


def _rename_output(graph: onnx.GraphProto, name: str) -> str:
    """Renames the output tensor, so that a new node can write the output; returns the new name."""
    renamed = "rescale/source"
    for node in graph.node:
        for names in (node.input, node.output):
            for index, old in enumerate(names):
                if old == name:
                    names[index] = renamed
    return renamed
