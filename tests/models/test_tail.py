"""Cutting the tail off a network, and applying it as the canvas does."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
import pytest
from onnx import helper

from support import networks
from support.networks import REPEAT, natural_batch, run
from support.sampling import DEEP_NETWORKS, sampled
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.tail import cut_tail
from tilewright.models.loader import load_model
from tilewright.models.spec import Tail

SCALE = 2
WEIGHTS = {
    "w": np.random.default_rng(1).normal(0, 0.2, (3 * SCALE**2, 3, 3, 3)).astype(np.float32),
    "scales": np.array([1, 1, SCALE, SCALE], np.float32),
    "other scales": np.array([1, 1, SCALE, 2 * SCALE], np.float32),
}
CONV = helper.make_node("Conv", ["x", "w"], ["head"], kernel_shape=[3, 3], pads=[1] * 4)


def network(*nodes):
    return networks.network([CONV, *nodes], WEIGHTS)


def shuffle(target="y", source="head", **attributes):
    return helper.make_node("DepthToSpace", [source], [target], **{"blocksize": SCALE, "mode": "CRD", **attributes})


def repeat(scales="scales", source="x", **attributes):
    return networks.resize(source, "repeated", scales, **{**REPEAT, **attributes})


def add(*sources):
    return helper.make_node("Add", sources, ["y"])


relu = partial(helper.make_node, "Relu")


@pytest.mark.parametrize(
    ("nodes", "tail"),
    [
        ([shuffle()], Tail(SCALE, adds_input=False)),
        ([shuffle("s"), repeat(), add("s", "repeated")], Tail(SCALE, adds_input=True)),
        ([repeat(), shuffle("s"), add("repeated", "s")], Tail(SCALE, adds_input=True)),
    ],
    ids=["shuffle", "shuffle plus input", "input plus shuffle"],
)
def test_applying_the_tail_restores_the_result(nodes, tail):
    model = network(*nodes)
    before = model.SerializeToString()
    head, found = cut_tail(model, SCALE)
    assert model.SerializeToString() == before, "not changed"
    assert found == tail
    assert [node.op_type for node in head.graph.node] == ["Conv"]
    onnx.checker.check_model(head, full_check=True)
    batch = natural_batch(9, 14)
    np.testing.assert_array_equal(found.applied(run(head, batch), batch), run(model, batch))


@pytest.mark.parametrize(
    "nodes",
    [
        [shuffle(mode="DCR")],
        [helper.make_node("DepthToSpace", ["head"], ["y"], blocksize=SCALE)],
        [shuffle("s"), relu(["s"], ["y"])],
        [shuffle("s"), repeat(mode="linear"), add("s", "repeated")],
        [shuffle("s"), repeat(nearest_mode="ceil"), add("s", "repeated")],
        [shuffle("s"), repeat(coordinate_transformation_mode="half_pixel"), add("s", "repeated")],
        [shuffle("s"), repeat("other scales"), add("s", "repeated")],
        [relu(["x"], ["r"]), shuffle("s"), repeat(source="r"), add("s", "repeated")],
        [shuffle("s"), add("s", "s")],
        [shuffle("s"), relu(["s"], ["r"]), add("s", "r")],
    ],
    ids=[
        "mode DCR", "default mode", "activation after the shuffle", "bilinear residual", "nearest by ceil",
        "half-pixel grid", "other scales", "residual of another tensor", "sum with itself", "read by another node",
    ],
)  # fmt: skip
def test_a_tail_that_the_canvas_does_not_support_is_not_cut(nodes):
    assert cut_tail(network(*nodes), SCALE) is None


@pytest.mark.parametrize("order", [("residual", "x"), ("x", "residual")])
def test_a_network_of_factor_1_that_adds_its_input_has_a_tail(order):
    weights = {"v": np.random.default_rng(1).normal(0, 0.2, (3, 3, 3, 3)).astype(np.float32)}
    node = helper.make_node("Conv", ["x", "v"], ["residual"], kernel_shape=[3, 3], pads=[1] * 4)
    model = networks.network([node, add(*order)], weights)
    head, found = cut_tail(model, 1)
    assert found == Tail(1, adds_input=True)
    assert [each.op_type for each in head.graph.node] == ["Conv"]
    batch = natural_batch(9, 14)
    np.testing.assert_array_equal(found.applied(run(head, batch), batch), run(model, batch))
    pool = helper.make_node("GlobalAveragePool", ["x"], ["mean"])
    assert cut_tail(networks.network([pool, add("x", "mean")]), 1) is None, "it is repeated when it is added"
    assert cut_tail(networks.network([add("x", "x")]), 1) is None
    assert cut_tail(networks.network([add("x", "v")], {"v": np.float32(1)}), 1) is None


def test_a_shuffle_by_another_factor_is_not_cut():
    assert cut_tail(network(shuffle()), 3) is None


@pytest.mark.parametrize(
    ("name", "factor"),
    sampled(
        [(entry.name, factor) for entry in CATALOG.values() for factor in entry.factors if entry.installed],
        lambda name, _: name not in DEEP_NETWORKS,
    ),
)
def test_tails_of_catalog_networks(name, factor, own_cache):
    model = load_model(name, factor, cache_dir=own_cache)
    whole = onnx.load(model.path)
    found = cut_tail(whole, factor)
    if factor == 2 and CATALOG[name].network(factor).scale == 4:
        assert found is None, "the rescale to factor 2 ends in a convolution"
        return
    if CATALOG[name].denoise or (factor == 4 and name.startswith(("realesrgan", "realsr"))):
        assert found is None, "the network does not end in a pixel shuffle"
        return
    head, tail = found
    assert tail == Tail(
        factor, adds_input=(name == "tilewright-photo" or (name == "realesr-animevideov3" and factor == 4))
    )
    if factor == 3:  # all networks have the same rescale here, and running the deep ones takes seconds
        return
    batch = natural_batch(24, 31)
    np.testing.assert_array_equal(tail.applied(run(head, batch), batch), run(whole, batch))
