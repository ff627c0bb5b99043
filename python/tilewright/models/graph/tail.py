"""What a network ends with and the canvas does better: pixel shuffle, and the input added to its result.

Inside a graph these are passes over the whole result in float32, three of them, with a buffer each. The canvas reads
the network's result row by row anyway, and does the same arithmetic while a row is in the caches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from tilewright.models.graph.cost import images
from tilewright.models.graph.subgraph import part_making


@dataclass(frozen=True, slots=True)
class Tail:
    """What is left to do with the result of a network whose tail was cut off.

    Attributes:
        shuffle: each pixel's channels are ``shuffle²`` pixels of every plane, as `DepthToSpace` in mode CRD has them.
        adds_input: whether the network's input, every pixel repeated ``shuffle`` times along both axes, is added then.
    """

    shuffle: int
    adds_input: bool

    def applied(self, result: npt.NDArray[np.float32], batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What the canvas makes of a result, as one array: for measurements and tests.

        Args:
            result: ``[n, planes * shuffle², height, width]``.
            batch: ``[n, planes, height, width]``, what the network was given.

        Returns:
            ``[n, planes, height * shuffle, width * shuffle]``.
        """
        count, planes, height, width = batch.shape
        side = self.shuffle
        parts = result.reshape(count, planes, side, side, height, width).transpose(0, 1, 4, 2, 5, 3)
        whole = np.ascontiguousarray(parts).reshape(count, planes, height * side, width * side)
        return whole + batch.repeat(side, axis=2).repeat(side, axis=3) if self.adds_input else whole


NO_TAIL = Tail(shuffle=1, adds_input=False)
"""That of a result which is finished."""


def cut_tail(model: onnx.ModelProto, scale: int) -> tuple[onnx.ModelProto, Tail] | None:
    """The network without its tail.

    Args:
        model: NCHW in and out; it is not changed.
        scale: its factor.

    Returns:
        The rest of the network, whose output is ``[n, planes * scale², height, width]``, and what was cut off; None
        when the network does not end like that.
    """
    graph = model.graph
    if len(graph.output) != 1 or len(images(model)) != 1:
        return None
    makers = {name: node for node in graph.node for name in node.output}
    last = makers.get(graph.output[0].name)
    shuffle, adds_input = last, False
    if last is not None and last.op_type == "Add":
        shuffle, enlarged = (makers.get(name) for name in last.input)
        if shuffle is not None and shuffle.op_type == "Resize":
            shuffle, enlarged = enlarged, shuffle
        if enlarged is None or not _repeats_pixels(enlarged, graph, images(model)[0].name, scale):
            return None
        adds_input = True
    if shuffle is None or not _shuffles(shuffle, scale):
        return None
    tail = {shuffle.output[0], graph.output[0].name}
    if any(name in tail for node in graph.node if node is not last for name in node.input):
        return None  # something else reads what would be cut off
    return _ending_in(model, shuffle.input[0], scale), Tail(scale, adds_input)


def _shuffles(node: onnx.NodeProto, scale: int) -> bool:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return (
        node.op_type == "DepthToSpace"
        and attributes.get("blocksize") == scale
        and attributes.get("mode", b"DCR") == b"CRD"
    )


def _repeats_pixels(node: onnx.NodeProto, graph: onnx.GraphProto, image: str, scale: int) -> bool:
    """Whether a node makes every pixel of the graph's input a block of `scale` squared."""
    if node.op_type != "Resize" or len(node.input) != 3 or node.input[0] != image:
        return False
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    scales = weights.get(node.input[2])
    return (
        attributes.get("mode", b"nearest") == b"nearest"
        and attributes.get("coordinate_transformation_mode") == b"asymmetric"
        and attributes.get("nearest_mode") == b"floor"
        and scales is not None
        and numpy_helper.to_array(scales).tolist() == [1, 1, scale, scale]
    )


def _ending_in(model: onnx.ModelProto, name: str, scale: int) -> onnx.ModelProto:
    """The part of a network that makes the tensor `name`, which becomes its output."""
    head = part_making(model, name)
    before = model.graph.output[0].type.tensor_type
    count, planes = (dim.dim_value for dim in before.shape.dim[:2])
    shape = [count or "n", planes * scale**2 if planes else "planes", "head_height", "head_width"]
    head.graph.output.append(helper.make_tensor_value_info(name, before.elem_type, shape))
    return head
