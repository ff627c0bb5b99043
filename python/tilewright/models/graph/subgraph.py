"""Extraction of a part of a network."""

from __future__ import annotations

import onnx
from onnx import helper


def extract_subgraph(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """Extracts the nodes and weights that compute one tensor.

    Args:
        model: The network; it is not changed.
        output: Name of the tensor.

    Returns:
        A network with the same inputs and metadata. Its only output is the tensor if that is an
        output of `model`; otherwise it has none, and the caller declares one.

    Raises:
        ValueError: No node computes a tensor of this name.
    """
    # onnx.utils.Extractor drops the metadata, renames the graph and raises for tensors without
    # value_info.
    needed = {output}
    kept = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    if not kept:
        raise ValueError(f"the network has no tensor {output!r}")
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[:], part.graph.output[:], part.graph.value_info[:], part.graph.initializer[:]
    part.graph.node.extend(reversed(kept))
    part.graph.output.extend(value for value in model.graph.output if value.name == output)
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    return part


def extract_head(model: onnx.ModelProto, output: str, planes: int) -> onnx.ModelProto:
    """Extracts the part of a network that computes a tensor, and declares it as the output.

    Args:
        model: The network; it is not changed.
        output: Name of the tensor ``[n, planes, height, width]``, which is not an output of `model`.
        planes: Its number of planes; 0 if that is unknown.

    Raises:
        ValueError: No node computes a tensor of this name.
    """
    head = extract_subgraph(model, output)
    whole = model.graph.output[0].type.tensor_type
    shape = [whole.shape.dim[0].dim_value or "n", planes or "planes", "head_height", "head_width"]
    head.graph.output.append(helper.make_tensor_value_info(output, whole.elem_type, shape))
    return head
