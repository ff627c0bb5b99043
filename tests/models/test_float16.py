"""Networks in float16, and networks whose weights are stored as float16."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from support.emulated_runtime import small_network
from support.networks import network, run
from support.sampling import DEEP_NETWORKS, sampled
from tilewright.engine.sessions.prepare import split_tail
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.float16 import KEPT_IN_FLOAT32, load_with_float32_weights, to_float16
from tilewright.models.loader import load_model

NETWORKS = [(entry.name, factor) for entry in CATALOG.values() for factor in entry.factors if entry.installed]


@pytest.mark.parametrize(("name", "factor"), sampled(NETWORKS, lambda name, _: name not in DEEP_NETWORKS))
def test_catalog_networks_keep_only_resize_scales_in_float32(own_cache, name, factor):
    head, _ = split_tail(load_model(name, factor, cache_dir=own_cache))
    converted = to_float16(head)
    assert [node.op_type for node in converted.graph.node] == [node.op_type for node in head.graph.node], "no casts"
    scales = {node.input[2] for node in converted.graph.node if node.op_type == "Resize"}
    kept = {tensor.name for tensor in converted.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    assert kept == scales
    for value in (*converted.graph.input, *converted.graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT16


def test_operations_beyond_the_range_of_float16_stay_in_float32():
    nodes = [
        helper.make_node("Mul", ["x", "large"], ["a"]),
        helper.make_node("Exp", ["a"], ["b"]),
        helper.make_node("Log", ["b"], ["c"]),
        helper.make_node("Div", ["c", "large"], ["y"]),
    ]
    converted = to_float16(network(nodes, {"large": np.float32(20)}))
    operations = [node.op_type for node in converted.graph.node]
    assert operations == ["Mul", "Cast", "Exp", "Cast", "Cast", "Log", "Cast", "Div"]
    onnx.checker.check_model(converted)  # also checks that the nodes are sorted topologically
    kept = [node for node in converted.graph.node if node.op_type in KEPT_IN_FLOAT32]
    casts = {node.output[0]: node for node in converted.graph.node if node.op_type == "Cast"}
    for node in kept:
        assert casts[node.input[0]].attribute[0].i == TensorProto.FLOAT


def test_conversion_does_not_change_its_argument(tmp_path):
    model = onnx.load(small_network(tmp_path / "small.onnx").path)
    before = model.SerializeToString(deterministic=True)
    assert to_float16(model).SerializeToString(deterministic=True) != before
    assert model.SerializeToString(deterministic=True) == before


def test_loading_the_converter_does_not_change_sys_path(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("onnxruntime.transformers")]:
        monkeypatch.delitem(sys.modules, name)
    before = list(sys.path)
    to_float16(network([helper.make_node("Relu", ["x"], ["y"])]))
    assert sys.path == before


def with_cast_weight(weights_type=np.float16):
    """Makes two convolutions whose weight is behind a Cast, and a Cast of an activation."""
    weight = np.random.default_rng(3).normal(0, 0.3, (3, 3, 3, 3)).astype(weights_type)
    nodes = [
        helper.make_node("Cast", ["narrow"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "weight"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["a"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["b", "weight"], ["y"], pads=[1, 1, 1, 1]),
    ]
    return network(nodes, {"narrow": weight})


BATCH = np.random.default_rng(4).random((1, 3, 9, 11), np.float32)


def test_loading_converts_weights_to_float32_without_changing_results():
    before = with_cast_weight()
    after = load_with_float32_weights(before.SerializeToString())
    onnx.checker.check_model(after)
    assert [node.op_type for node in after.graph.node] == ["Conv", "Cast", "Cast", "Conv"]
    assert [(tensor.name, tensor.data_type) for tensor in after.graph.initializer] == [("weight", TensorProto.FLOAT)]
    np.testing.assert_array_equal(run(after, BATCH), run(before, BATCH))


def test_loading_keeps_a_weight_for_all_its_readers():
    before = with_cast_weight()
    again = helper.make_node("Cast", ["narrow"], ["again"], to=TensorProto.FLOAT)
    before.graph.node.insert(1, again)
    before.graph.node[-1].input[1] = "again"
    after = load_with_float32_weights(before.SerializeToString())
    assert sorted(tensor.name for tensor in after.graph.initializer) == ["again", "weight"]
    np.testing.assert_array_equal(run(after, BATCH), run(before, BATCH))

    before.graph.node.append(helper.make_node("Identity", ["narrow"], ["unchanged"]))
    after = load_with_float32_weights(before.SerializeToString())
    assert sorted(tensor.name for tensor in after.graph.initializer) == ["again", "narrow", "weight"]
    np.testing.assert_array_equal(run(after, BATCH), run(before, BATCH))


@pytest.mark.parametrize("weights_type", [np.float32, np.float64])
def test_loading_keeps_casts_of_other_types(weights_type):
    before = with_cast_weight(weights_type)
    assert load_with_float32_weights(before.SerializeToString()) == before
