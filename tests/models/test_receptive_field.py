"""Receptive field of a network, from its graph."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from support.networks import REPEAT, network, resize, run
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.receptive_field import receptive_radius
from tilewright.models.graph.rescale import append_rescale
from tilewright.models.loader import native_model


def conv(source: str, target: str, kernel: int = 3, **attributes: Any) -> onnx.NodeProto:
    """Makes a dense convolution with weights ``w{kernel}``; padding is "same" by default."""
    pads = attributes.pop("pads", [attributes.get("dilations", [1])[0] * (kernel - 1) // 2] * 4)
    weight = f"w{kernel}"
    return helper.make_node("Conv", [source, weight], [target], kernel_shape=[kernel, kernel], pads=pads, **attributes)


def measured_radius(model: onnx.ModelProto, scale: Fraction, size: int) -> int:
    """Measures the largest distance at which a changed pixel changes the result.

    The changed pixels are a 4 x 4 block in the middle, one after the other. The change is a NaN,
    which spreads to all positions that depend on it, however small the weights are.
    """
    radius = 0
    for offset in range(4):
        pixel = size // 2 + offset
        picture = np.full((1, 3, size, size), 0.5, np.float32)
        picture[0, :, pixel, pixel] = np.nan
        changed = np.isnan(run(model, picture)).any(axis=(0, 1))
        assert changed.any()
        for axis in (0, 1):
            owners = np.flatnonzero(changed.any(axis=axis)) // scale
            radius = max(radius, int(np.abs(owners - pixel).max()))
    assert radius < size // 2 - 4, "the picture is too small for this receptive field"
    return radius


# Name to nodes, scale and radius.
CASES: dict[str, tuple[list[onnx.NodeProto], Fraction, int]] = {
    "one 5x5": ([conv("x", "y", 5)], Fraction(1), 2),
    "dilated": ([conv("x", "y", 3, dilations=[4, 4])], Fraction(1), 4),
    "1x1": ([conv("x", "y", 1)], Fraction(1), 0),
    "even kernel, padded on one side": ([conv("x", "y", 4, pads=[3, 3, 0, 0])], Fraction(1), 3),
    "longest of two paths": (
        [conv("x", "a"), conv("a", "b"), conv("x", "c"), helper.make_node("Add", ["b", "c"], ["y"])],
        Fraction(1),
        2,
    ),
    "enlarged 2x, then three 3x3 on the fine grid": (
        [resize("x", "a", "up2", **REPEAT), conv("a", "b"), conv("b", "c"), conv("c", "y")],
        Fraction(2),
        2,
    ),
    "enlarged 3x, then one 3x3": ([resize("x", "a", "up3", **REPEAT), conv("a", "y")], Fraction(3), 1),
    "bilinear": ([resize("x", "y", "up2", mode="linear")], Fraction(2), 1),
    "bicubic": ([resize("x", "y", "up2", mode="cubic")], Fraction(2), 2),
    "reduced, then enlarged": (
        [conv("x", "a", strides=[2, 2]), conv("a", "b"), resize("b", "y", "up2", **REPEAT)],
        Fraction(1),
        # Position 1 shows coarse pixel 0. That depends on coarse pixels -1 to 1, of which -1
        # depends on pixels -3 to -1.
        4,
    ),
    "pooling": (
        [helper.make_node("AveragePool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2]), conv("a", "y")],
        Fraction(1, 2),
        3,
    ),
    "reduced and enlarged in one of two paths": (
        [
            helper.make_node("AveragePool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("ConvTranspose", ["a", "w2"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
            conv("x", "c", 5),
            helper.make_node("Add", ["b", "c"], ["y"]),
        ],
        Fraction(1),
        2,
    ),
    "transposed convolution with overlap": (
        [helper.make_node("ConvTranspose", ["x", "w4"], ["y"], kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1])],
        Fraction(2),
        1,
    ),
    "space to depth to space": (
        [
            helper.make_node("SpaceToDepth", ["x"], ["a"], blocksize=4),
            helper.make_node("DepthToSpace", ["a"], ["y"], blocksize=4),
        ],
        Fraction(1),
        # Each position depends on its own pixel only. But channels are not distinguished, so its
        # field is the block.
        3,
    ),
    "padded, then cropped": (
        [
            helper.make_node("Pad", ["x", "two"], ["a"], mode="reflect"),
            conv("a", "b"),
            helper.make_node("Slice", ["b", "start", "end", "axes"], ["y"]),
        ],
        Fraction(1),
        1,
    ),
    "cropped on one side": (
        [helper.make_node("Slice", ["x", "start", "end", "axes"], ["a"]), conv("a", "y")],
        Fraction(1),
        # Position 0 shows pixel 2 and depends on pixels 1 to 3.
        3,
    ),
    "padded by a Pad": (
        [helper.make_node("Pad", ["x", "two"], ["a"], mode="reflect"), conv("a", "y", 5, pads=[0, 0, 0, 0])],
        Fraction(1),
        2,
    ),
}
CONSTANTS = {f"w{k}": np.full((3, 3, k, k), 0.1 / k**2, np.float32) for k in (1, 2, 3, 4, 5)}
CONSTANTS |= {f"up{factor}": np.array([1, 1, factor, factor], np.float32) for factor in (2, 3)}
CONSTANTS |= {"two": np.array([0, 0, 2, 2, 0, 0, 2, 2])}
CONSTANTS |= {"start": np.array([2, 2]), "end": np.array([-2, -2]), "axes": np.array([2, -1])}


@pytest.mark.parametrize("case", CASES)
def test_radius_is_the_sum_over_the_layers(case: str) -> None:
    nodes, _, expected = CASES[case]
    assert receptive_radius(network(nodes, CONSTANTS)) == expected


@pytest.mark.parametrize("case", [case for case in CASES if case != "space to depth to space"])
def test_radius_is_the_measured_one(case: str) -> None:
    nodes, scale, _ = CASES[case]
    used = {name for node in nodes for name in node.input}
    model = network(nodes, {name: value for name, value in CONSTANTS.items() if name in used})
    assert receptive_radius(model) == measured_radius(model, scale, 40)


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("realesr-animevideov3", 4, 18),  # 18 convolutions of 3x3 in a row
        ("realesr-animevideov3", 3, 19),
        ("realesr-animevideov3", 2, 20),
        ("span-x2-ch48", 2, 21),  # 1 + 6 blocks of 3 + 1 + 1 before the pixel shuffle
        ("span-x4-ch52", 4, 21),
        ("span-x4-ch52", 2, 23),
        ("waifu2x-upconv7-photo", 2, 7),  # 6 convolutions of 3x3, and the overlap of the transposed one
    ],
)
def test_radius_of_catalog_networks(name: str, factor: int, expected: int) -> None:
    entry = CATALOG[name]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    network = entry.network(factor)
    model = native_model(entry, network)
    if factor != network.scale:
        model = append_rescale(model, network.scale, factor)
    assert receptive_radius(model) == expected
    assert measured_radius(model, Fraction(factor), 64) == expected


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        (entry.name, factor)
        for entry in CATALOG.values()
        for factor in entry.factors
        if entry.network(factor).seam_error is None
    ],
)
def test_halo_of_averaging_networks_is_their_radius_without_the_averages(name: str, factor: int) -> None:
    entry = CATALOG[name]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    network = entry.network(factor)
    model = native_model(entry, network)
    assert receptive_radius(model) is None
    averages = [node for node in model.graph.node if node.op_type == "GlobalAveragePool"]
    assert len(averages) == 4
    for node in averages:
        node.op_type = "Identity"
    radius = receptive_radius(model)
    assert radius is not None
    assert network.halo == math.ceil(radius / network.multiple_of) * network.multiple_of


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("GlobalAveragePool", ["x"], ["y"]),
        helper.make_node("InstanceNormalization", ["x", "one", "one"], ["y"]),
        helper.make_node("Resize", ["x", "", "", "sizes"], ["y"]),
        helper.make_node("Softmax", ["x"], ["y"], axis=3),
        helper.make_node("Concat", ["x", "x"], ["y"], axis=3),
        helper.make_node("Transpose", ["x"], ["y"], perm=[0, 1, 3, 2]),
        helper.make_node("Slice", ["x", "last", "end", "axes"], ["y"]),
        helper.make_node("Slice", ["x", "first", "end", "axes", "axes"], ["y"]),
    ],
    ids=lambda node: node.op_type,
)
def test_radius_is_unknown_if_an_operation_mixes_the_whole_picture(node: onnx.NodeProto) -> None:
    constants = {"one": np.ones(3, np.float32), "sizes": np.array([1, 3, 64, 64])}
    constants |= {"last": np.array([-9, -9]), "first": np.array([0, 0])}
    constants |= {"end": np.array([99, 99]), "axes": np.array([2, 3])}
    assert receptive_radius(network([node], constants)) is None


def test_radius_is_unknown_with_channel_attention() -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["a"]),
        helper.make_node("Mul", ["x", "a"], ["y"]),
    ]
    assert receptive_radius(network(nodes)) is None
