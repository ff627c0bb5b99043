"""What is cut off a network's end, and that the canvas does the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tilewright.models.catalog import CATALOG
from tilewright.models.graph.tail import Tail, cut_tail
from tilewright.models.loader import load_model
from tilewright.models.probe import natural_patch

SCALE = 2
WEIGHTS = {
    "w": np.random.default_rng(1).normal(0, 0.2, (3 * SCALE**2, 3, 3, 3)).astype(np.float32),
    "scales": np.array([1, 1, SCALE, SCALE], np.float32),
    "others": np.array([1, 1, SCALE, 2 * SCALE], np.float32),
}


def network(*nodes):
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["head"], kernel_shape=[3, 3], pads=[1] * 4), *nodes],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "oh", "ow"])],
        [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def shuffle(target="y", source="head", **attributes):
    return helper.make_node("DepthToSpace", [source], [target], **{"blocksize": SCALE, "mode": "CRD", **attributes})


def repeat(scales="scales", source="x", **attributes):
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", **attributes}
    return helper.make_node("Resize", [source, "", scales], ["repeated"], **how)


def add(*sources):
    return helper.make_node("Add", sources, ["y"])


def run(model, batch):
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch})[0]


def batch_of(height, width):
    return np.ascontiguousarray(natural_patch(height, width).transpose(2, 0, 1)[None])


@pytest.mark.parametrize(
    ("nodes", "tail"),
    [
        ([shuffle()], Tail(SCALE, adds_input=False)),
        ([shuffle("s"), repeat(), add("s", "repeated")], Tail(SCALE, adds_input=True)),
        ([repeat(), shuffle("s"), add("repeated", "s")], Tail(SCALE, adds_input=True)),
    ],
    ids=["shuffle", "and the input", "the other way round"],
)
def test_what_is_cut_off_gives_the_whole_again(nodes, tail):
    model = network(*nodes)
    before = model.SerializeToString()
    head, found = cut_tail(model, SCALE)
    assert model.SerializeToString() == before, "left as it was"
    assert found == tail
    assert [node.op_type for node in head.graph.node] == ["Conv"]
    onnx.checker.check_model(head, full_check=True)
    batch = batch_of(9, 14)
    np.testing.assert_array_equal(found.applied(run(head, batch), batch), run(model, batch))


@pytest.mark.parametrize(
    "nodes",
    [
        [shuffle(mode="DCR")],
        [helper.make_node("DepthToSpace", ["head"], ["y"], blocksize=SCALE)],
        [shuffle("s"), helper.make_node("Relu", ["s"], ["y"])],
        [shuffle("s"), repeat(mode="linear"), add("s", "repeated")],
        [shuffle("s"), repeat(nearest_mode="ceil"), add("s", "repeated")],
        [shuffle("s"), repeat(coordinate_transformation_mode="half_pixel"), add("s", "repeated")],
        [shuffle("s"), repeat("others"), add("s", "repeated")],
        [helper.make_node("Relu", ["x"], ["r"]), shuffle("s"), repeat(source="r"), add("s", "repeated")],
        [shuffle("s"), add("s", "s")],
        [shuffle("s"), helper.make_node("Relu", ["s"], ["r"]), add("s", "r")],
    ],
    ids=[
        "another order", "the default order", "an activation", "a smooth base", "another neighbour", "another grid",
        "another factor", "not the input", "itself", "read elsewhere",
    ],
)  # fmt: skip
def test_what_the_canvas_would_not_do_stays(nodes):
    assert cut_tail(network(*nodes), SCALE) is None


def test_a_shuffle_by_another_factor_stays():
    assert cut_tail(network(shuffle()), 3) is None


@pytest.mark.parametrize(
    ("name", "factor"),
    [(entry.name, factor) for entry in CATALOG.values() for factor in entry.factors if entry.installed],
)
def test_networks_of_the_catalog(name, factor, own_cache):
    model = load_model(name, factor, cache_dir=own_cache)
    whole = onnx.load(model.path)
    found = cut_tail(whole, factor)
    if factor == 2 and CATALOG[name].network(factor).scale == 4:
        assert found is None, "it ends in a convolution"
        return
    if CATALOG[name].denoise or (factor == 4 and name.startswith(("realesrgan", "realsr"))):
        assert found is None, "likewise"
        return
    head, tail = found
    assert tail == Tail(
        factor, adds_input=(name == "tilewright-photo" or (name == "realesr-animevideov3" and factor == 4))
    )
    if factor == 3:  # the same pass behind every network; the deep ones take seconds
        return
    batch = batch_of(24, 31)
    np.testing.assert_array_equal(tail.applied(run(head, batch), batch), run(whole, batch))
