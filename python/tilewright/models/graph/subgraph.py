"""Parts of a network: what makes one of its outputs, or what is left when its end is cut off."""

from __future__ import annotations

import onnx


def part_making(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The nodes and weights that make one tensor.

    Args:
        model: the whole; it is not changed.
        name: of the tensor.

    Returns:
        A network with that output, or without any when the tensor was none of its outputs.

    Raises:
        ValueError: no node makes a tensor of this name.
    """
    wanted = {name}
    kept = []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    if not kept:
        raise ValueError(f"the network has no tensor {name!r}")
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[:], part.graph.output[:], part.graph.value_info[:], part.graph.initializer[:]
    part.graph.node.extend(reversed(kept))
    part.graph.output.extend(output for output in model.graph.output if output.name == name)
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in wanted)
    return part
