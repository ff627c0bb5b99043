"""Adds nodes before and after a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from tilewright.models.graph.inputs import image_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable


def with_ends(
    model: onnx.ModelProto,
    inner: tuple[str, str],
    before: Iterable[onnx.NodeProto],
    after: Iterable[onnx.NodeProto],
) -> onnx.ModelProto:
    """Puts a network between other nodes. The names of its input and output stay those of the whole.

    Args:
        model: A network with one output; it is not changed.
        inner: New names of the tensors that the network itself reads and gives.
        before: Nodes that make the first of them from the input.
        after: Nodes that make the output from the second of them.

    Returns:
        The whole. The declared shapes of its input and output are those of the network.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    renamed = dict(zip((image_inputs(changed)[0].name, graph.output[0].name), inner, strict=True))
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    nodes = [*before, *graph.node, *after]
    # Stored shapes of inner tensors are for other sizes.
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return changed
