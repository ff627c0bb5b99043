"""The anti-aliased rescale that turns a factor-4 network into one of factor 2 or 3."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from support.networks import REPEAT, natural_batch, network, resize, run
from tilewright.errors import ModelError
from tilewright.models.graph.rescale import append_rescale, cut_rescale, polyphase_weights, rescale_support
from tilewright.models.probe import natural_patch


def lanczos_rows(picture: np.ndarray, to_scale: int) -> np.ndarray:
    """Downscales ``[..., rows, columns]`` from factor 4 along its rows, by Lanczos-3."""
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


def network_of_factor_4() -> onnx.ModelProto:
    """Makes a network that repeats pixels."""
    scales = np.array([1, 1, 4, 4], np.float32)
    return network([resize("x", "y", "scales", **REPEAT)], {"scales": scales})


def rescale(to_scale: int, channels: int = 3) -> onnx.ModelProto:
    """Makes the rescale alone, appended to an identity that stands for a factor-4 network."""
    identity = network([helper.make_node("Identity", ["x"], ["y"])], shape=(1, channels, "h", "w"))
    return append_rescale(identity, 4, to_scale, channels=channels)


@pytest.mark.parametrize("to_scale", [2, 3])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (4, 40), (36, 24), (32, 4)])
def test_rescale_equals_the_separable_filter(to_scale: int, height: int, width: int) -> None:
    picture = natural_batch(height, width)
    output = run(rescale(to_scale), picture)
    assert output.shape == (1, 3, height * to_scale // 4, width * to_scale // 4)
    np.testing.assert_allclose(output, lanczos(picture, to_scale), rtol=0, atol=1e-6)


@pytest.mark.parametrize("to_scale", [2, 3])
def test_rescale_agrees_with_pillow_away_from_the_border(to_scale: int) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = natural_patch(64, 64)[..., 0]
    side = 16 * to_scale
    expected = np.asarray(image.fromarray(picture).resize((side, side), image.Resampling.LANCZOS))
    output = run(rescale(to_scale, channels=1), picture[None, None])[0, 0]
    inner = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(output[inner], expected[inner], rtol=0, atol=1e-5)


@pytest.mark.parametrize("to_scale", [2, 3])
def test_rescale_preserves_constants_and_does_not_shift(to_scale: int) -> None:
    constant = np.full((1, 3, 16, 20), 0.7, np.float32)
    np.testing.assert_allclose(run(rescale(to_scale), constant), 0.7, rtol=0, atol=1e-6)
    picture = natural_batch(24, 32)
    mirrored = run(rescale(to_scale), np.ascontiguousarray(picture[..., ::-1, ::-1]))
    np.testing.assert_allclose(mirrored[..., ::-1, ::-1], run(rescale(to_scale), picture), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("to_scale", "phases", "taps"), [(2, 1, 12), (3, 3, 10)])
def test_weights_of_each_phase_sum_to_one(to_scale: int, phases: int, taps: int) -> None:
    weights, _ = polyphase_weights(4, to_scale)
    assert weights.shape == (phases, taps)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=0, atol=1e-15)
    assert rescale_support(4, to_scale) == {2: 2, 3: 1}[to_scale]


def test_rescale_copies_the_model_and_keeps_the_output_name() -> None:
    model = network([helper.make_node("Identity", ["x"], ["y"])])
    before = model.SerializeToString(deterministic=True)
    rescaled = append_rescale(model, 4, 3)
    assert model.SerializeToString(deterministic=True) == before
    assert [output.name for output in rescaled.graph.output] == ["y"]
    onnx.checker.check_model(rescaled, full_check=True)


@pytest.mark.parametrize("factors", [(4, 1), (4, 5), (2, 3), (2, 1), (8, 5)])
def test_other_factors_are_rejected(factors: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="cannot be rescaled") as caught:
        append_rescale(network([helper.make_node("Identity", ["x"], ["y"])]), *factors)
    assert caught.value.code == "unsupportedUpscaleFactor"
    assert caught.value.parameter == "upscaleFactor"


@pytest.mark.parametrize("to_scale", [2, 3])
def test_cutting_the_rescale_off_gives_the_network_before_it(to_scale: int) -> None:
    before = network_of_factor_4()
    found = cut_rescale(append_rescale(before, 4, to_scale))
    assert found is not None
    head, *factors = found
    assert factors == [4, to_scale]
    assert [node.op_type for node in head.graph.node] == [node.op_type for node in before.graph.node]
    batch = natural_batch(9, 11)
    np.testing.assert_array_equal(run(head, batch), run(before, batch))


@pytest.mark.parametrize("to_scale", [2, 3])
@pytest.mark.parametrize("change", ["pads", "mode", "strides", "weights", "reader", "none at all"])
def test_what_only_resembles_a_rescale_is_not_cut_off(to_scale: int, change: str) -> None:
    model = append_rescale(network_of_factor_4(), 4, to_scale)
    nodes = {node.op_type: node for node in model.graph.node}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    if change in ("pads", "weights"):
        tensor = constants[f"rescale/{change.removesuffix('s') if change == 'weights' else change}"]
        values = numpy_helper.to_array(tensor).copy()
        values.flat[-1] += 1
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    elif change == "mode":
        nodes["Pad"].attribute[0].s = b"reflect"
    elif change == "strides":
        rescale = next(node for node in model.graph.node if node.input[0] == "rescale/padded")
        next(each for each in rescale.attribute if each.name == "strides").ints[0] += 1
    elif change == "reader":
        model.graph.node.append(helper.make_node("Relu", ["rescale/padded"], ["elsewhere"]))
    else:
        model = network_of_factor_4()
    assert cut_rescale(model) is None
