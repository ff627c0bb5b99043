"""Extraction of a part of a network."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from support.networks import run
from tilewright.models.graph.subgraph import extract_subgraph


@pytest.fixture
def model():
    """Two outputs of one input: y = 2 x + 3, z = 5 * 2 x."""
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["twice"]),
        helper.make_node("Add", ["twice", "three"], ["y"]),
        helper.make_node("Mul", ["twice", "five"], ["z"]),
    ]
    weights = {"two": 2, "three": 3, "five": 5}
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("y", "z")],
        [numpy_helper.from_array(np.array([value], np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("name", "value", "unused"), [("y", 9, {"five"}), ("z", 30, {"three"})])
def test_a_part_has_one_output_and_only_the_weights_that_it_reads(model, name, value, unused):
    before = model.SerializeToString()
    part = extract_subgraph(model, name)
    assert model.SerializeToString() == before
    onnx.checker.check_model(part, full_check=True)
    assert [output.name for output in part.graph.output] == [name]
    assert {"two", "three", "five"} - {tensor.name for tensor in part.graph.initializer} == unused
    assert run(part, np.array([3], np.float32)).tolist() == [value]


def test_an_inner_tensor_is_not_declared_as_output(model):
    part = extract_subgraph(model, "twice")
    assert [node.op_type for node in part.graph.node] == ["Mul"]
    assert not part.graph.output


def test_an_unknown_tensor_is_an_error(model):
    with pytest.raises(ValueError, match="no tensor 'w'"):
        extract_subgraph(model, "w")
