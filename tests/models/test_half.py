"""Networks in float16, of one shape, and with channels last: what changes, and that nothing else does."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from support.emulated_runtime import small_network
from tilewright.engine.sessions.base import parted
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.fixed_shape import with_channels_last, with_shape
from tilewright.models.graph.half import KEPT_IN_FLOAT32, to_half
from tilewright.models.loader import load_model

NETWORKS = [(entry.name, factor) for entry in CATALOG.values() for factor in entry.factors if entry.installed]


@pytest.mark.parametrize(("name", "factor"), NETWORKS)
def test_of_the_catalog_nothing_but_the_scales_of_a_resize_stays_in_float32(own_cache, name, factor):
    head, _ = parted(load_model(name, factor, cache_dir=own_cache))
    half = to_half(head)
    assert [node.op_type for node in half.graph.node] == [node.op_type for node in head.graph.node], "no casts"
    scales = {node.input[2] for node in half.graph.node if node.op_type == "Resize"}
    kept = {tensor.name for tensor in half.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    assert kept == scales
    for value in (*half.graph.input, *half.graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT16


def network(nodes, *, weights=()):
    shape = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **node[3]) if len(node) > 3 else helper.make_node(*node) for node in nodes],
        "own",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model, batch):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": batch})[0]


def test_what_would_leave_the_range_of_float16_is_kept():
    own = network(
        [
            ("Mul", ["x", "large"], ["a"]),
            ("Exp", ["a"], ["b"]),
            ("Log", ["b"], ["c"]),
            ("Div", ["c", "large"], ["y"]),
        ],
        weights=[("large", 20.0)],
    )
    half = to_half(own)
    assert [node.op_type for node in half.graph.node] == ["Mul", "Cast", "Exp", "Cast", "Cast", "Log", "Cast", "Div"]
    onnx.checker.check_model(half)  # also that nodes come in an order in which they can run
    kept = [node for node in half.graph.node if node.op_type in KEPT_IN_FLOAT32]
    casts = {node.output[0]: node for node in half.graph.node if node.op_type == "Cast"}
    for node in kept:
        assert casts[node.input[0]].attribute[0].i == TensorProto.FLOAT


def test_the_converter_leaves_pythons_path_alone(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("onnxruntime.transformers")]:
        monkeypatch.delitem(sys.modules, name)
    before = list(sys.path)
    to_half(network([("Relu", ["x"], ["y"])]))
    assert sys.path == before


def test_nothing_is_changed_in_place(tmp_path):
    own = onnx.load(small_network(tmp_path / "small.onnx").path)
    before = own.SerializeToString(deterministic=True)
    for changed in (to_half(own), with_shape(own, 2, 8, 8), with_channels_last(own)):
        assert changed.SerializeToString(deterministic=True) != before
    assert own.SerializeToString(deterministic=True) == before


def test_a_fixed_shape_and_channels_last_change_no_value(tmp_path):
    own = onnx.load(small_network(tmp_path / "small.onnx").path)
    batch = np.random.default_rng(1).random((2, 3, 8, 12), np.float32)
    want = run(own, batch)
    fixed = with_shape(own, 2, 8, 12)
    np.testing.assert_array_equal(run(fixed, batch), want)
    turned = with_channels_last(fixed)
    onnx.checker.check_model(turned, full_check=True)
    np.testing.assert_array_equal(run(turned, batch.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2), want)
    with pytest.raises(Exception, match=r"Got: 8 Expected: 2"):
        run(fixed, np.zeros((8, 3, 8, 12), np.float32))
