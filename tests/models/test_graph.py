"""What is read off a graph (reach, cost, memory), and the rescale that is put at its end."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tilewright.errors import ModelError
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.cost import bytes_per_pixel, flops_per_pixel
from tilewright.models.graph.receptive_field import receptive_radius
from tilewright.models.graph.rescale import append_rescale, polyphase_weights, rescale_support
from tilewright.models.loader import native_model
from tilewright.models.probe import natural_patch


def network(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray] | None = None, channels: int = 3
) -> onnx.ModelProto:
    """A model from ``x`` to ``y``, both ``[1, channels, any, any]``."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, channels, "oh", "ow"])],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def conv(source: str, target: str, kernel: int = 3, **attributes: Any) -> onnx.NodeProto:
    """A dense convolution of 3 channels with weights ``w{kernel}``, "same" padding unless said otherwise."""
    pads = attributes.pop("pads", [attributes.get("dilations", [1])[0] * (kernel - 1) // 2] * 4)
    weight = f"w{kernel}"
    return helper.make_node("Conv", [source, weight], [target], kernel_shape=[kernel, kernel], pads=pads, **attributes)


WEIGHTS = {f"w{k}": np.full((3, 3, k, k), 0.1 / k**2, np.float32) for k in (1, 2, 3, 4, 5)}
NO_ROI = ""


def run(model: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: picture})[0])


def measured_radius(model: onnx.ModelProto, scale: Fraction, size: int) -> int:
    """Largest distance to which one pixel's change carries, tried on a 4 x 4 block of pixels in the middle.

    The change is a NaN: it survives every weight but none of the distance.
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
    assert radius < size // 2 - 4, "the picture is too small to show where the influence ends"
    return radius


def resize(source: str, target: str, scales: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Resize", [source, NO_ROI, scales], [target], **attributes)


SCALES = {
    "up2": np.array([1, 1, 2, 2], np.float32),
    "up3": np.array([1, 1, 3, 3], np.float32),
    "half": np.array([1, 1, 0.5, 0.5], np.float32),
}
ASYMMETRIC = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}

REACHES: dict[str, tuple[list[onnx.NodeProto], Fraction, int]] = {
    "one 5x5": ([conv("x", "y", 5)], Fraction(1), 2),
    "dilated": ([conv("x", "y", 3, dilations=[4, 4])], Fraction(1), 4),
    "1x1": ([conv("x", "y", 1)], Fraction(1), 0),
    "even kernel, padded on one side": ([conv("x", "y", 4, pads=[3, 3, 0, 0])], Fraction(1), 3),
    "longest of two paths": (
        [conv("x", "a"), conv("a", "b"), conv("x", "c"), helper.make_node("Add", ["b", "c"], ["y"])],
        Fraction(1),
        2,
    ),
    "up, then three 3x3 on the fine grid": (
        [resize("x", "a", "up2", **ASYMMETRIC), conv("a", "b"), conv("b", "c"), conv("c", "y")],
        Fraction(2),
        2,
    ),
    "up 3, then one 3x3": ([resize("x", "a", "up3", **ASYMMETRIC), conv("a", "y")], Fraction(3), 1),
    "bilinear": ([resize("x", "y", "up2", mode="linear")], Fraction(2), 1),
    "bicubic": ([resize("x", "y", "up2", mode="cubic")], Fraction(2), 2),
    "down and up": (
        [conv("x", "a", strides=[2, 2]), conv("a", "b"), resize("b", "y", "up2", **ASYMMETRIC)],
        Fraction(1),
        # Position 1 shows coarse pixel 0, which sees coarse -1 to 1, of which -1 sees pixels -3 to -1.
        4,
    ),
    "pooling": (
        [helper.make_node("AveragePool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2]), conv("a", "y")],
        Fraction(1, 2),
        3,
    ),
    "down and up beside a straight path": (
        [
            helper.make_node("AveragePool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("ConvTranspose", ["a", "w2"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
            conv("x", "c", 5),
            helper.make_node("Add", ["b", "c"], ["y"]),
        ],
        Fraction(1),
        2,
    ),
    "transposed with overlap": (
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
        # Of its positions each keeps its own pixel; that channels are not told apart makes it the block.
        3,
    ),
    "padded, and cut again": (
        [
            helper.make_node("Pad", ["x", "two"], ["a"], mode="reflect"),
            conv("a", "b"),
            helper.make_node("Slice", ["b", "start", "end", "axes"], ["y"]),
        ],
        Fraction(1),
        1,
    ),
    "cut on one side": (
        [helper.make_node("Slice", ["x", "start", "end", "axes"], ["a"]), conv("a", "y")],
        Fraction(1),
        # Position 0 shows pixel 2, and sees 1 to 3.
        3,
    ),
    "padded by hand": (
        [helper.make_node("Pad", ["x", "two"], ["a"], mode="reflect"), conv("a", "y", 5, pads=[0, 0, 0, 0])],
        Fraction(1),
        2,
    ),
}
CONSTANTS = {**WEIGHTS, **SCALES, "two": np.array([0, 0, 2, 2, 0, 0, 2, 2])}
CONSTANTS |= {"start": np.array([2, 2]), "end": np.array([-2, -2]), "axes": np.array([2, -1])}


@pytest.mark.parametrize("case", REACHES)
def test_radius_is_what_the_layers_add_up_to(case: str) -> None:
    nodes, _, expected = REACHES[case]
    assert receptive_radius(network(nodes, CONSTANTS)) == expected


@pytest.mark.parametrize("case", [case for case in REACHES if case != "space to depth to space"])
def test_radius_is_what_a_changed_pixel_reaches(case: str) -> None:
    nodes, scale, _ = REACHES[case]
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
        ("waifu2x-upconv7-photo", 2, 7),  # 6 convolutions of 3x3, and one pixel for the overlap of the transposed one
    ],
)
def test_radius_of_catalog_networks_is_what_a_changed_pixel_reaches(name: str, factor: int, expected: int) -> None:
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
def test_halo_of_networks_that_average_is_what_they_see_beside_the_averages(name: str, factor: int) -> None:
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
        helper.make_node("Resize", ["x", NO_ROI, NO_ROI, "sizes"], ["y"]),
        helper.make_node("Softmax", ["x"], ["y"], axis=3),
        helper.make_node("Concat", ["x", "x"], ["y"], axis=3),
        helper.make_node("Transpose", ["x"], ["y"], perm=[0, 1, 3, 2]),
        helper.make_node("Slice", ["x", "last", "end", "axes"], ["y"]),
        helper.make_node("Slice", ["x", "first", "end", "axes", "axes"], ["y"]),
    ],
    ids=lambda node: node.op_type,
)
def test_radius_is_unknown_where_the_whole_picture_mixes(node: onnx.NodeProto) -> None:
    constants = {"one": np.ones(3, np.float32), "sizes": np.array([1, 3, 64, 64])}
    constants |= {"last": np.array([-9, -9]), "first": np.array([0, 0])}
    constants |= {"end": np.array([99, 99]), "axes": np.array([2, 3])}
    assert receptive_radius(network([node], constants)) is None


def test_channel_attention_makes_the_radius_unknown() -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["a"]),
        helper.make_node("Mul", ["x", "a"], ["y"]),
    ]
    assert receptive_radius(network(nodes)) is None


def test_flops_count_a_multiply_add_as_two() -> None:
    nodes = [
        resize("x", "a", "up2", **ASYMMETRIC),
        conv("a", "b"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    # Four output pixels per input pixel, three channels each: 2 * 27 for the convolution, 1 for the ReLU.
    assert flops_per_pixel(network(nodes, {**WEIGHTS, **SCALES})) == 4 * 3 * (2 * 27 + 1)


def test_flops_of_a_transposed_convolution_are_per_input_element() -> None:
    nodes = [helper.make_node("ConvTranspose", ["x", "w2"], ["y"], kernel_shape=[2, 2], strides=[2, 2])]
    assert flops_per_pixel(network(nodes, WEIGHTS)) == 2 * 3 * 3 * 4


def test_bytes_are_those_of_tensors_alive_together() -> None:
    chain = [conv("x", "a"), conv("a", "b"), conv("b", "y")]
    assert bytes_per_pixel(network(chain, WEIGHTS)) == 2 * 3 * 4
    # A skip keeps the input alive to the end: input, last activation, output.
    skip = [conv("x", "a"), conv("a", "b"), helper.make_node("Add", ["x", "b"], ["y"])]
    assert bytes_per_pixel(network(skip, WEIGHTS)) == 3 * 3 * 4
    enlarged = [resize("x", "y", "up2", **ASYMMETRIC)]
    assert bytes_per_pixel(network(enlarged, SCALES)) == (1 + 4) * 3 * 4


# --- the rescale ------------------------------------------------------------------------------------------------------


def lanczos_rows(picture: np.ndarray, to_scale: int) -> np.ndarray:
    """Anti-aliased Lanczos-3 along the rows of ``[..., rows, columns]``, a picture at factor 4, pixel by pixel."""
    ratio = 4 / to_scale
    rows = picture.shape[-2]
    result = np.zeros((*picture.shape[:-2], rows * to_scale // 4, picture.shape[-1]))
    for target in range(result.shape[-2]):
        centre = (target + 0.5) * ratio - 0.5
        total, weights = 0.0, 0.0
        for source in range(math.floor(centre - 3 * ratio), math.ceil(centre + 3 * ratio) + 1):
            x = (source - centre) / ratio
            weight = np.sinc(x) * np.sinc(x / 3) if abs(x) < 3 else 0.0
            total = total + weight * picture[..., min(max(source, 0), rows - 1), :]
            weights += weight
        result[..., target, :] = total / weights
    return result


def lanczos(picture: np.ndarray, to_scale: int) -> np.ndarray:
    columns_done = lanczos_rows(picture.astype(np.float64).swapaxes(-1, -2), to_scale).swapaxes(-1, -2)
    return lanczos_rows(columns_done, to_scale)


def tail(to_scale: int, channels: int = 3) -> onnx.ModelProto:
    """The rescale alone: behind a network that hands its input through and passes for one of factor 4."""
    identity = network([helper.make_node("Identity", ["x"], ["y"])], channels=channels)
    return append_rescale(identity, 4, to_scale, channels=channels)


@pytest.mark.parametrize("to_scale", [2, 3])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (4, 40), (36, 24), (32, 4)])
def test_rescale_is_the_separable_filter(to_scale: int, height: int, width: int) -> None:
    picture = natural_patch(height, width).transpose(2, 0, 1)[None]
    output = run(tail(to_scale), picture)
    assert output.shape == (1, 3, height * to_scale // 4, width * to_scale // 4)
    np.testing.assert_allclose(output, lanczos(picture, to_scale), rtol=0, atol=1e-6)


@pytest.mark.parametrize("to_scale", [2, 3])
def test_rescale_agrees_with_pillow_away_from_the_border(to_scale: int) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = natural_patch(64, 64)[..., 0]
    side = 16 * to_scale
    expected = np.asarray(image.fromarray(picture).resize((side, side), image.Resampling.LANCZOS))
    output = run(tail(to_scale, channels=1), picture[None, None])[0, 0]
    inner = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(output[inner], expected[inner], rtol=0, atol=1e-5)


@pytest.mark.parametrize("to_scale", [2, 3])
def test_rescale_keeps_a_constant_and_does_not_shift(to_scale: int) -> None:
    constant = np.full((1, 3, 16, 20), 0.7, np.float32)
    np.testing.assert_allclose(run(tail(to_scale), constant), 0.7, rtol=0, atol=1e-6)
    picture = natural_patch(24, 32).transpose(2, 0, 1)[None]
    mirrored = run(tail(to_scale), np.ascontiguousarray(picture[..., ::-1, ::-1]))
    np.testing.assert_allclose(mirrored[..., ::-1, ::-1], run(tail(to_scale), picture), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("to_scale", "phases", "taps"), [(2, 1, 12), (3, 3, 10)])
def test_weights_have_few_phases_that_each_sum_to_one(to_scale: int, phases: int, taps: int) -> None:
    weights, _ = polyphase_weights(4, to_scale)
    assert weights.shape == (phases, taps)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=0, atol=1e-15)
    assert rescale_support(4, to_scale) == {2: 2, 3: 1}[to_scale]


def test_rescale_leaves_the_model_alone_and_keeps_the_output_name() -> None:
    model = network([helper.make_node("Identity", ["x"], ["y"])])
    before = model.SerializeToString(deterministic=True)
    rescaled = append_rescale(model, 4, 3)
    assert model.SerializeToString(deterministic=True) == before
    assert [output.name for output in rescaled.graph.output] == ["y"]
    onnx.checker.check_model(rescaled, full_check=True)


@pytest.mark.parametrize("factors", [(4, 1), (4, 5), (2, 3), (3, 2)])
def test_other_factors_are_refused(factors: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="cannot be rescaled") as caught:
        append_rescale(network([helper.make_node("Identity", ["x"], ["y"])]), *factors)
    assert caught.value.code == "unsupportedUpscaleFactor"
    assert caught.value.parameter == "upscaleFactor"
