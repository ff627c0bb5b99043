"""Weights in float16 behind a Cast, as float32."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from tilewright.models.graph.widen import read_widened


def network(weights_type=np.float16):
    """Two convolutions by one weight that is kept narrow, and a Cast of something that is no weight."""
    weight = np.random.default_rng(3).normal(0, 0.3, (3, 3, 3, 3)).astype(weights_type)
    nodes = [
        helper.make_node("Cast", ["narrow"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["input", "weight"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["a"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["b", "weight"], ["output"], pads=[1, 1, 1, 1]),
    ]
    shape = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "narrow",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "narrow")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(4).random((1, 3, 9, 11), np.float32)
    return session.run(None, {"input": picture})[0]


def test_a_widened_network_computes_the_same_from_weights_that_are_float32():
    before = network()
    after = read_widened(before.SerializeToString())
    onnx.checker.check_model(after)
    assert [node.op_type for node in after.graph.node] == ["Conv", "Cast", "Cast", "Conv"]
    assert [(tensor.name, tensor.data_type) for tensor in after.graph.initializer] == [("weight", TensorProto.FLOAT)]
    np.testing.assert_array_equal(run(after), run(before))


def test_a_weight_that_is_widened_twice_or_read_narrow_too_is_kept_for_all():
    before = network()
    again = helper.make_node("Cast", ["narrow"], ["again"], to=TensorProto.FLOAT)
    before.graph.node.insert(1, again)
    before.graph.node[-1].input[1] = "again"
    after = read_widened(before.SerializeToString())
    assert sorted(tensor.name for tensor in after.graph.initializer) == ["again", "weight"]
    np.testing.assert_array_equal(run(after), run(before))

    before.graph.node.append(helper.make_node("Identity", ["narrow"], ["as it is"]))
    after = read_widened(before.SerializeToString())
    assert sorted(tensor.name for tensor in after.graph.initializer) == ["again", "narrow", "weight"]
    np.testing.assert_array_equal(run(after), run(before))


@pytest.mark.parametrize("weights_type", [np.float32, np.float64])
def test_other_casts_stay(weights_type):
    before = network(weights_type)
    assert read_widened(before.SerializeToString()) == before
