"""Graphs as lists of convolutions: each supported form gives the graph's result, and each other one is named."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from support import networks
from support.networks import REPEAT, natural_batch, run
from tilewright.engine.sessions.native import NativeSession
from tilewright.models.graph.convolutions import UnsupportedGraphError, exact_halo, list_convolutions
from tilewright.models.spec import Model, ModelSpec

RANDOM = np.random.default_rng(4)
HALF_PIXEL = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}


def weights(outputs, inputs, side=3):
    return RANDOM.normal(0, (inputs * side**2) ** -0.5, (outputs, inputs, side, side)).astype(np.float32)


CONSTANTS = {
    "first": weights(16, 3),
    "body": weights(16, 16),
    "wide": weights(3, 32),
    "point": weights(16, 16, 1),
    "last": weights(3, 16),
    "five": weights(3, 16, 5),
    "grouped": weights(16, 1),
    "bias": RANDOM.normal(0, 0.1, 16).astype(np.float32),
    "slopes": RANDOM.uniform(-0.2, 0.4, (16, 1, 1)).astype(np.float32),
    "slope": np.array([0.3], np.float32),
    "slopes of columns": RANDOM.uniform(-0.2, 0.4, 20).astype(np.float32),
    "mean": np.array([0.4, 0.5, 0.3], np.float32).reshape(1, 3, 1, 1),
    "mean of columns": np.linspace(0, 1, 20, dtype=np.float32),
    "deviation": np.array([0.2, 0.3, 0.25], np.float32).reshape(3, 1, 1),
    "fifth": np.array(0.2, np.float32),
    "half": np.array(0.5, np.float32),
    "per channel": np.linspace(0.1, 1, 16, dtype=np.float32).reshape(16, 1, 1),
    "twice": np.array([1, 1, 2, 2], np.float32),
    "thrice": np.array([1, 1, 3, 3], np.float32),
}


def node(operator, sources, target, **attributes):
    return helper.make_node(operator, sources.split(" + "), [target], **attributes)


def conv(source, weight, target, *, bias=False, **attributes):
    side = CONSTANTS[weight].shape[2]
    names = [source, weight, "bias"] if bias else [source, weight]
    pads = {"pads": [side // 2] * 4, "kernel_shape": [side, side], **attributes}
    return helper.make_node("Conv", names, [target], **pads)


FIRST, LAST = conv("x", "first", "a", bias=True), conv("b", "last", "y")

SUPPORTED = {
    "two convolutions": [FIRST, conv("a", "last", "y")],
    "default attributes": [FIRST, conv("a", "last", "y", dilations=[1, 1], strides=[1, 1], group=1)],
    "1x1": [FIRST, conv("a", "point", "b", bias=True), LAST],
    "Relu": [FIRST, node("Relu", "a", "b"), LAST],
    "LeakyRelu": [FIRST, node("LeakyRelu", "a", "b", alpha=0.2), LAST],
    "LeakyRelu by default": [FIRST, node("LeakyRelu", "a", "b"), LAST],
    "PRelu": [FIRST, node("PRelu", "a + slopes", "b"), LAST],
    "PRelu of one slope": [FIRST, node("PRelu", "a + slope", "b"), LAST],
    "SiLU": [FIRST, node("Sigmoid", "a", "s"), node("Mul", "s + a", "b"), LAST],
    "sum": [FIRST, conv("a", "body", "c"), node("Add", "a + c", "b"), LAST],
    "scaled sum": [FIRST, conv("a", "body", "c"), node("Mul", "c + fifth", "d"), node("Add", "d + a", "b"), LAST],
    "scaled sum, factor first": [
        *[FIRST, conv("a", "body", "c"), node("Mul", "fifth + c", "d"), node("Add", "a + d", "b"), LAST]
    ],
    "two sums": [
        *[FIRST, conv("a", "body", "c"), conv("c", "body", "d"), node("Add", "c + d", "e"), node("Add", "e + a", "b")],
        LAST,
    ],
    "activation before a sum": [
        *[FIRST, conv("a", "body", "c"), node("Relu", "c", "d"), node("Add", "d + a", "b"), LAST]
    ],
    "attention": [
        *[FIRST, conv("a", "body", "c"), node("Sigmoid", "c", "s"), node("Sub", "s + half", "h")],
        *[node("Add", "c + a", "t"), node("Mul", "t + h", "b"), LAST],
    ],
    "concatenation": [FIRST, conv("a", "body", "c"), node("Concat", "a + c", "b", axis=1), conv("b", "wide", "y")],
    "enlargement": [FIRST, networks.resize("a", "b", "twice", **REPEAT), LAST],
    "enlargement, other spelling": [FIRST, networks.resize("a", "b", "twice", **HALF_PIXEL), LAST],
    "enlarged concatenation": [
        *[FIRST, conv("a", "body", "c"), node("Concat", "c + a", "d", axis=1)],
        *[networks.resize("d", "b", "twice", **REPEAT), conv("b", "wide", "y")],
    ],
    "normalised input": [
        *[node("Sub", "x + mean", "m"), node("Div", "m + deviation", "n"), conv("n", "first", "b"), LAST]
    ],
    "scaled input": [node("Add", "x + mean", "m"), node("Mul", "m + fifth", "n"), conv("n", "first", "b"), LAST],
    "constant as a node": [
        helper.make_node("Constant", [], ["k"], value=onnx.numpy_helper.from_array(CONSTANTS["last"])),
        *[FIRST, helper.make_node("Conv", ["a", "k"], ["y"], pads=[1] * 4)],
    ],
}


def open_native(tmp_path, nodes, scale=1):
    path = tmp_path / "network.onnx"
    onnx.save(networks.network(nodes, CONSTANTS), path)
    return NativeSession(Model(path, ModelSpec(name="network", scale=scale)), threads=2)


@pytest.mark.parametrize("nodes", SUPPORTED.values(), ids=SUPPORTED)
def test_supported_graphs_give_the_result_of_onnxruntime(tmp_path, nodes):
    batch = natural_batch(18, 20)
    want = run(networks.network(nodes, CONSTANTS), batch)
    found = open_native(tmp_path, nodes, want.shape[2] // 18).run(batch)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-5)


SQUEEZE = [FIRST, node("GlobalAveragePool", "a", "b"), LAST]

UNSUPPORTED = {
    "ConvTranspose": [FIRST, helper.make_node("ConvTranspose", ["a", "body"], ["b"], pads=[1] * 4), LAST],
    "GlobalAveragePool": SQUEEZE,
    "Conv, strided": [FIRST, conv("a", "body", "b", strides=[2, 2]), LAST],
    "Conv, dilated": [FIRST, conv("a", "body", "b", dilations=[2, 2], pads=[2] * 4), LAST],
    "Conv, in groups": [FIRST, conv("a", "grouped", "b", group=16), LAST],
    "Conv, without padding": [FIRST, conv("a", "body", "b", pads=[0] * 4), LAST],
    "Conv, padded automatically": [
        *[FIRST, helper.make_node("Conv", ["a", "body"], ["b"], auto_pad="SAME_UPPER"), LAST]
    ],
    "Conv, 5x5": [FIRST, conv("a", "five", "y")],
    "Conv, of the input once more": [FIRST, conv("x", "first", "c"), node("Add", "a + c", "b"), LAST],
    "Sigmoid": [FIRST, node("Sigmoid", "a", "b"), LAST],
    "Sub, of results": [FIRST, conv("a", "body", "c"), node("Sub", "a + c", "b"), LAST],
    "Sub, of columns": [node("Sub", "x + mean of columns", "m"), conv("m", "first", "b"), LAST],
    "Add, after a factor": [node("Mul", "x + fifth", "m"), node("Add", "m + mean", "n"), conv("n", "first", "b"), LAST],
    "Add, of a result to itself": [FIRST, node("Add", "a + a", "b"), LAST],
    "Add, of a constant": [FIRST, node("Add", "a + per channel", "b"), LAST],
    "Mul, by channel": [
        *[FIRST, conv("a", "body", "c"), node("Mul", "c + per channel", "d"), node("Add", "d + a", "b"), LAST]
    ],
    "Mul, without a sum": [FIRST, node("Mul", "a + fifth", "b"), LAST],
    "Mul, read twice": [
        *[FIRST, conv("a", "body", "c"), node("Mul", "c + fifth", "d"), node("Add", "d + a", "e")],
        *[node("Add", "e + d", "b"), LAST],
    ],
    "Relu, after a sum": [FIRST, conv("a", "body", "c"), node("Add", "a + c", "d"), node("Relu", "d", "b"), LAST],
    "Relu, of a result that is read elsewhere": [
        *[FIRST, node("Relu", "a", "c"), conv("c", "body", "d"), node("Add", "a + d", "b"), LAST]
    ],
    "PRelu, of columns": [FIRST, node("PRelu", "a + slopes of columns", "b"), LAST],
    "Concat, of rows": [FIRST, conv("a", "body", "c"), node("Concat", "a + c", "b", axis=2), LAST],
    "Concat, with the input": [FIRST, conv("a", "last", "c"), node("Concat", "x + c", "y", axis=1)],
    "Resize, by 3": [FIRST, networks.resize("a", "b", "thrice", **REPEAT), LAST],
    "Resize, linear": [FIRST, networks.resize("a", "b", "twice", mode="linear"), LAST],
    "Resize, rounding up": [
        *[FIRST, networks.resize("a", "b", "twice", **{**HALF_PIXEL, "nearest_mode": "ceil"}), LAST]
    ],
    "Resize, twice in a row": [
        *[FIRST, networks.resize("a", "c", "twice", **REPEAT), networks.resize("c", "b", "twice", **REPEAT), LAST]
    ],
}


@pytest.mark.parametrize(("name", "nodes"), UNSUPPORTED.items(), ids=UNSUPPORTED)
def test_what_is_not_supported_is_named(name, nodes):
    with pytest.raises(UnsupportedGraphError, match=f"operator {name.split(',')[0]} "):
        list_convolutions(networks.network(nodes, CONSTANTS))


def test_the_node_is_named_too():
    nodes = [FIRST, helper.make_node("Softmax", ["a"], ["b"], name="attn/softmax"), LAST]
    with pytest.raises(UnsupportedGraphError, match="operator Softmax 'attn/softmax' is not supported"):
        list_convolutions(networks.network(nodes, CONSTANTS))


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        ([FIRST, networks.resize("a", "y", "twice", **REPEAT)], {}, "does not end in a convolution"),
        ([FIRST, conv("a", "last", "y")], {"inputs": ("x", "z")}, "more than one input"),
        (
            [FIRST, conv("a", "last", "y")],
            {"shape": (1, "c", "h", "w")},
            "number of channels of the input is not fixed",
        ),
    ],
)
def test_other_reasons(nodes, options, message):
    with pytest.raises(UnsupportedGraphError, match=message):
        list_convolutions(networks.network(nodes, CONSTANTS, **options))


def test_more_inputs_than_the_kernels_take_are_not_supported(tmp_path):
    nodes = [FIRST, *[conv("a", "body", f"c{i}") for i in range(7)]]
    nodes.append(node("Concat", " + ".join(f"c{i}" for i in range(7)), "b", axis=1))
    nodes.append(helper.make_node("Conv", ["b", "w"], ["y"], pads=[1] * 4))
    path = tmp_path / "network.onnx"
    onnx.save(networks.network(nodes, {**CONSTANTS, "w": weights(3, 112)}), path)
    with pytest.raises(UnsupportedGraphError, match="too many inputs"):
        NativeSession(Model(path, ModelSpec(name="network", scale=1)), threads=1)


def test_an_endless_enlargement_is_not_supported(tmp_path):
    nodes, last = [FIRST], "a"
    for i in range(80):
        nodes += [networks.resize(last, f"r{i}", "twice", **REPEAT), conv(f"r{i}", "body", f"c{i}")]
        last = f"c{i}"
    nodes.append(conv(last, "last", "y"))
    with pytest.raises(UnsupportedGraphError, match="enlargement is too large"):
        open_native(tmp_path, nodes)


@pytest.mark.parametrize("options", [{"layout": "NHWC"}, {"channel_order": "BGR"}, {"dtype": "float16"}])
def test_other_layouts_are_not_supported(tmp_path, options):
    path = tmp_path / "network.onnx"
    onnx.save(networks.network([FIRST, conv("a", "last", "y")], CONSTANTS), path)
    with pytest.raises(UnsupportedGraphError, match="only float32 networks with NCHW layout"):
        NativeSession(Model(path, ModelSpec(name="network", scale=1, **options)), threads=1)


def test_halo_beyond_which_nothing_changes_a_bit(tmp_path):
    """Changes of the picture outside the halo change no bit, and inside they do, beyond the receptive field."""
    nodes = [FIRST, conv("a", "body", "c"), conv("c", "body", "d"), conv("d", "last", "y")]
    halo = exact_halo(list_convolutions(networks.network(nodes, CONSTANTS)).steps)
    assert halo == 1 + 2 * 3 + 1
    session, side = open_native(tmp_path, nodes), 40
    batch = np.ascontiguousarray(natural_batch(side, side) * 255)
    result = session.run(batch)
    reached = 0
    for column in range(side // 2):
        changed = batch.copy()
        changed[:, :, :, : column + 1] = 77
        kept = np.argmax((session.run(changed) == result).all(axis=(0, 1, 2))[::-1] == 0)
        reached = max(reached, side - kept - (column + 1))
    assert 4 < reached <= halo


def test_element_types_other_than_float32_are_converted():
    nodes = [FIRST, conv("a", "last", "y")]
    wide = {name: value.astype(np.float64) for name, value in CONSTANTS.items()}
    model = networks.network(nodes, wide, dtype=TensorProto.DOUBLE)
    assert {step.weights.dtype for step in list_convolutions(model).steps} == {np.dtype(np.float32)}
