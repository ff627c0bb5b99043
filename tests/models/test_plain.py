"""Plain form of graphs: constants, copies, unread nodes and limits at the end."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from support.networks import REPEAT, natural_batch, network, resize, run
from tilewright.models.graph.plain import make_plain

SCALES = np.array((1, 1, 2, 2), np.float32)


def constant(name, **value):
    return helper.make_node("Constant", [], [name], **value)


def operators(model):
    return [node.op_type for node in model.graph.node]


def plain(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    make_plain(copy)
    onnx.checker.check_model(copy)
    return copy


@pytest.mark.parametrize(
    "value",
    [
        {"value": numpy_helper.from_array(np.array([0.5], np.float32))},
        {"value_float": 0.5},
        {"value_floats": [0.5]},
    ],
    ids=lambda value: next(iter(value)),
)
def test_constants_become_weights(value):
    model = network([constant("half", **value), helper.make_node("Mul", ["x", "half"], ["y"])])
    result = plain(model)
    assert operators(result) == ["Mul"]
    batch = natural_batch(4, 5)
    np.testing.assert_array_equal(run(result, batch), batch * np.float32(0.5))


def test_constants_of_integers_keep_their_type():
    nodes = [
        constant("begin", value_ints=[1]),
        constant("end", value_ints=[3]),
        constant("axis", value_ints=[2]),
        helper.make_node("Slice", ["x", "begin", "end", "axis"], ["y"]),
    ]
    result = plain(network(nodes, output_shape=(None,) * 4))
    assert {tensor.data_type for tensor in result.graph.initializer} == {TensorProto.INT64}
    batch = natural_batch(4, 5)
    np.testing.assert_array_equal(run(result, batch), batch[:, :, 1:3])


def test_copies_and_unread_nodes_are_left_out():
    nodes = [
        helper.make_node("Identity", ["w"], ["copy"]),
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Abs", ["same"], ["unread"]),
        helper.make_node("Mul", ["same", "copy"], ["y"]),
    ]
    result = plain(network(nodes, {"w": np.float32(2), "unread weight": np.float32(3)}))
    assert operators(result) == ["Mul"]
    assert [tensor.name for tensor in result.graph.initializer] == ["w"]
    batch = natural_batch(4, 5)
    np.testing.assert_array_equal(run(result, batch), 2 * batch)


def test_a_network_that_only_copies_stays_as_it_is():
    model = network([helper.make_node("Identity", ["x"], ["y"])])
    assert operators(plain(model)) == ["Identity"]


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_limits_to_black_and_white_at_the_end_are_left_out(white):
    nodes = [helper.make_node("Mul", ["x", "w"], ["inner"]), helper.make_node("Clip", ["inner", "low", "high"], ["y"])]
    constants = {"w": np.float32(2 * white), "low": np.float32(0), "high": np.float32(white)}
    result = plain(network(nodes, constants))
    assert operators(result) == ["Mul"]
    batch = natural_batch(4, 5)
    assert run(result, batch).max() > white


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.5), (-1.0, 1.0), (0.1, 1.0)])
def test_other_limits_stay(low, high):
    nodes = [helper.make_node("Mul", ["x", "w"], ["inner"]), helper.make_node("Clip", ["inner", "low", "high"], ["y"])]
    model = network(nodes, {"w": np.float32(2), "low": np.float32(low), "high": np.float32(high)})
    assert operators(plain(model)) == ["Mul", "Clip"]


def test_limits_of_the_input_itself_stay():
    model = network(
        [helper.make_node("Clip", ["x", "low", "high"], ["y"])], {"low": np.float32(0), "high": np.float32(1)}
    )
    assert operators(plain(model)) == ["Clip"]


def test_limits_inside_a_network_stay():
    nodes = [
        helper.make_node("Clip", ["x", "low", "high"], ["inner"]),
        resize("inner", "y", "scales", **REPEAT),
    ]
    constants = {"low": np.float32(0), "high": np.float32(1), "scales": SCALES}
    assert operators(plain(network(nodes, constants, output_shape=(None,) * 4))) == ["Clip", "Resize"]


def test_a_graph_with_subgraphs_keeps_what_they_may_read():
    value = helper.make_tensor_value_info
    branch = [
        helper.make_graph([helper.make_node("Mul", ["same", name], [f"{name} out"])], name, [],
                          [value(f"{name} out", TensorProto.FLOAT, None)])
        for name in ("a", "b")
    ]  # fmt: skip
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("If", ["flag"], ["y"], then_branch=branch[0], else_branch=branch[1]),
    ]
    model = network(nodes, {"a": np.float32(2), "b": np.float32(3), "flag": np.array(True)})
    result = plain(model)
    batch = natural_batch(4, 5)
    np.testing.assert_array_equal(run(result, batch), 2 * batch)


def test_very_many_copies_take_little_time():
    """The time grew with the square of their number: 15,000 took three minutes."""
    names = ["x", *(f"copy {number}" for number in range(20_000))]
    nodes = [helper.make_node("Identity", [source], [target]) for source, target in pairwise(names)]
    model = network([*nodes, helper.make_node("Abs", [names[-1]], ["y"])])
    make_plain(model)
    assert [(node.op_type, *node.input) for node in model.graph.node] == [("Abs", "x")]


def test_an_output_without_a_shape_gets_four_dimensions():
    model = network([helper.make_node("Abs", ["x"], ["y"])])
    model.graph.output[0].type.tensor_type.ClearField("shape")
    make_plain(model)
    assert len(model.graph.output[0].type.tensor_type.shape.dim) == 4
