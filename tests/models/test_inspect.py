"""ONNX files of the user's own: detected facts, overrides and errors."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from support.networks import REPEAT, natural_batch, network, resize, run
from tilewright.engine.sessions.prepare import prepare
from tilewright.errors import ModelError
from tilewright.models.catalog_entry import EXACT_SEAM_ERROR
from tilewright.models.loader import load_model

if TYPE_CHECKING:
    from pathlib import Path

FAST = "realesr-animevideov3"


def save(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, Any] | None = None, **options: Any) -> Path:
    """Writes a network whose output may have any shape."""
    onnx.save(network(nodes, constants, output_shape=(None,) * 4, **options), path)
    return path


def enlarge(factor: float, source: str = "x", target: str = "y", layout: str = "NCHW") -> onnx.NodeProto:
    return resize(source, target, f"scales{factor}{layout}", **REPEAT)


SCALES = {
    f"scales{factor}{layout}": np.array(shape, np.float32)
    for factor in (2, 4)
    for layout, shape in (("NCHW", (1, 1, factor, factor)), ("NHWC", (1, factor, factor, 1)))
} | {"scales1.5NCHW": np.array((1, 1, 1.5, 1.5), np.float32)}


def test_facts_of_a_plain_file(tmp_path: Path) -> None:
    path = save(tmp_path / "double.onnx", [enlarge(2)], SCALES)
    model = load_model(path, 2, cache_dir=tmp_path / "cache")
    assert model.path == path
    assert not (tmp_path / "cache").exists()
    spec = model.spec
    assert (spec.name, spec.scale, spec.layout, spec.channel_order) == ("double", 2, "NCHW", "RGB")
    assert (spec.dtype, spec.value_range, spec.fixed_size) == ("float32", (0.0, 1.0), None)
    assert (spec.multiple_of, spec.minimum) == (1, 1)
    assert (spec.receptive_radius, spec.halo, spec.feather, spec.seam_error) == (0, 0, 0, EXACT_SEAM_ERROR)
    assert spec.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_model(str(path), 2, cache_dir=tmp_path / "cache") == model


@pytest.mark.parametrize("any_size", ["height", -1, None])
def test_open_sizes_may_have_a_name_or_not(any_size: Any, tmp_path: Path) -> None:
    shape = (any_size, 3, any_size, any_size)
    spec = load_model(save(tmp_path / "a.onnx", [enlarge(2)], SCALES, shape=shape), 2, cache_dir=tmp_path).spec
    assert (spec.layout, spec.fixed_size) == ("NCHW", None)


def test_nhwc_layout_is_detected(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(2, layout="NHWC")], SCALES, shape=(1, "h", "w", 3))
    assert load_model(path, 2, cache_dir=tmp_path).spec.layout == "NHWC"


def test_float16_is_detected(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES, dtype=TensorProto.FLOAT16)
    assert load_model(path, 4, cache_dir=tmp_path).spec.dtype == "float16"
    doubled = load_model(path, 2, cache_dir=tmp_path)
    assert doubled.spec.dtype == "float16"
    assert run(doubled.path, natural_batch(6, 5).astype(np.float16)).shape == (1, 3, 12, 10)


def test_fixed_size_is_detected(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(2)], SCALES, shape=(1, 3, 24, 40))
    assert load_model(path, 2, cache_dir=tmp_path).spec.fixed_size == (24, 40)


@pytest.mark.parametrize(
    ("side", "halo", "feather"), [(64, 8, 8), (128, 16, 16), (256, 32, 16), (768, 64, 16), (None, 64, 16)]
)
def test_halo_of_a_network_that_averages_leaves_half_of_a_tile_of_fixed_size(
    tmp_path: Path, side: int | None, halo: int, feather: int
) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Mul", ["mean", "little"], ["part"]),
        helper.make_node("Add", ["x", "part"], ["sum"]),
        enlarge(2, "sum"),
    ]
    constants = SCALES | {"little": np.float32(0.01)}
    path = save(tmp_path / "a.onnx", nodes, constants, shape=(1, 3, side or "h", side or "w"))
    spec = load_model(path, 2, cache_dir=tmp_path).spec
    assert (spec.halo, spec.feather, spec.receptive_radius) == (halo, feather, None)


def test_a_receptive_field_that_does_not_fit_into_a_fixed_size_is_cross_faded(tmp_path: Path) -> None:
    weights = {"w": np.zeros((3, 1, 41, 41), np.float32)}
    weights["w"][:, :, 20, 20] = 1
    blur = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[41, 41], pads=[20] * 4, group=3)
    for side, halo, feather in ((64, 8, 8), (128, 20, 0)):
        path = save(tmp_path / f"{side}.onnx", [blur], weights, shape=(1, 3, side, side))
        spec = load_model(path, 1, cache_dir=tmp_path).spec
        assert (spec.halo, spec.feather) == (halo, feather)


@pytest.mark.parametrize("factor", [5, 100])
def test_factors_that_nobody_asks_for_are_refused(tmp_path: Path, factor: int) -> None:
    scales = {"scales": np.array((1, 1, factor, factor), np.float32)}
    path = save(tmp_path / "a.onnx", [resize("x", "y", "scales", **REPEAT)], scales)
    with pytest.raises(ModelError, match=f"enlarges {factor} times; supported are 1, 2, 3, 4, 8, 16"):
        load_model(path, factor, cache_dir=tmp_path)


def test_a_file_without_a_declared_output_shape_is_rescaled(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES)
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, path)
    assert run(load_model(path, 2, cache_dir=tmp_path).path, natural_batch(6, 5)).shape == (1, 3, 12, 10)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("channel_order", "XYZ", "must be one of RGB, BGR, Y, RGBA, not 'XYZ'"),
        ("channel_order", "Y", "does not fit a, which takes 3 channels"),
        ("value_range", 5, "must be the values of black and white"),
        ("value_range", (1, 1), "two different numbers"),
        ("multiple_of", 0, "an integer of 1 or more"),
        ("halo", -5, "an integer of 0 or more"),
        ("fixed_size", (0, 5), "a height and a width"),
    ],
)
def test_overrides_of_wrong_values_are_refused(tmp_path: Path, field: str, value: Any, message: str) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(path, 4, cache_dir=tmp_path, overrides={field: value})
    assert caught.value.parameter == "spec"


def test_very_large_fixed_size_is_refused_before_it_is_run(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(2)], SCALES, shape=(1, 3, 20_000, 20_000))
    with pytest.raises(ModelError, match="20000 x 20000 pixels, but at most 16777216"):
        load_model(path, 2, cache_dir=tmp_path)


def test_one_channel_is_detected(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES, shape=(1, 1, "h", "w"))
    assert load_model(path, 4, cache_dir=tmp_path).spec.channel_order == "Y"
    assert run(load_model(path, 3, cache_dir=tmp_path).path, natural_batch(6, 5)[:, :1]).shape == (1, 1, 18, 15)


def test_multiple_is_detected(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SpaceToDepth", ["x"], ["a"], blocksize=4),
        helper.make_node("DepthToSpace", ["a"], ["b"], blocksize=4),
        enlarge(2, "b"),
    ]
    spec = load_model(save(tmp_path / "a.onnx", nodes, SCALES), 2, cache_dir=tmp_path).spec
    assert (spec.multiple_of, spec.minimum) == (4, 4)


def test_minimum_is_detected(tmp_path: Path) -> None:
    # A mirrored border of 6 pixels needs a side of at least 7; 8 is the next power of two.
    pads = {"pads": np.array([0, 0, 6, 6, 0, 0, 6, 6]), "crop": np.array([0, 0, -6, -6, 0, 0, -6, -6])}
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["a"], mode="reflect"),
        helper.make_node("Pad", ["a", "crop"], ["b"]),
        enlarge(2, "b"),
    ]
    spec = load_model(save(tmp_path / "a.onnx", nodes, SCALES | pads), 2, cache_dir=tmp_path).spec
    assert (spec.multiple_of, spec.minimum) == (1, 8)


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_value_range_is_detected(white: float, tmp_path: Path) -> None:
    # Networks on 0..255 commonly scale to 0..1, compute there, and scale back and round.
    nodes = [
        helper.make_node("Div", ["x", "white"], ["a"]),
        helper.make_node("Clip", ["a", "zero", "one"], ["b"]),
        helper.make_node("Mul", ["b", "white"], ["c"]),
        *([helper.make_node("Round", ["c"], ["d"])] if white == 255.0 else []),
        enlarge(2, "d" if white == 255.0 else "c"),
    ]
    constants = SCALES | {"white": np.float32(white), "zero": np.float32(0), "one": np.float32(1)}
    spec = load_model(save(tmp_path / "a.onnx", nodes, constants), 2, cache_dir=tmp_path).spec
    assert spec.value_range == (0.0, white)


@pytest.mark.parametrize("factor", [2, 3])
def test_files_of_factor_4_offer_2_and_3_by_a_rescale(factor: int, tmp_path: Path) -> None:
    path = save(tmp_path / "four.onnx", [enlarge(4)], SCALES)
    model = load_model(path, factor, cache_dir=tmp_path / "cache")
    assert model.path.parent == tmp_path / "cache"
    assert (model.spec.scale, model.spec.name) == (factor, "four")
    assert model.spec.halo == model.spec.receptive_radius > 0
    assert run(model.path, natural_batch(6, 5)).shape == (1, 3, 6 * factor, 5 * factor)
    assert load_model(path, factor, cache_dir=tmp_path / "cache") == model


def test_other_files_offer_their_own_factor_only(tmp_path: Path) -> None:
    double = save(tmp_path / "double.onnx", [enlarge(2)], SCALES)
    last = save(tmp_path / "last.onnx", [enlarge(4, layout="NHWC")], SCALES, shape=(1, "h", "w", 3))
    for path, offered in ((double, [2]), (last, [4])):
        with pytest.raises(ModelError) as caught:
            load_model(path, 3, cache_dir=tmp_path)
        assert caught.value.code == "unsupportedUpscaleFactor"
        assert caught.value.allowed_values == offered


def test_unknown_receptive_field_means_a_feather_and_no_promise(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["a"]),
        helper.make_node("Mul", ["a", "zero"], ["b"]),
        helper.make_node("Add", ["x", "b"], ["c"]),
        enlarge(4, "c"),
    ]
    path = save(tmp_path / "a.onnx", nodes, SCALES | {"zero": np.float32(0)})
    spec = load_model(path, 4, cache_dir=tmp_path).spec
    assert (spec.receptive_radius, spec.halo, spec.feather, spec.seam_error) == (None, 64, 16, None)
    assert load_model(path, 2, cache_dir=tmp_path).spec.halo == 66


def test_overrides_replace_detected_facts(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES)
    given = {"value_range": [-1.0, 1.0], "channel_order": "BGR", "halo": 7, "minimum": 16, "licence": "MIT"}
    spec = load_model(path, 4, cache_dir=tmp_path, overrides=given).spec
    assert spec.value_range == (-1.0, 1.0)
    assert (spec.channel_order, spec.halo, spec.minimum, spec.licence) == ("BGR", 7, 16, "MIT")
    assert load_model(path, 3, cache_dir=tmp_path, overrides=given).spec.halo == 8
    with pytest.raises(ModelError, match="ModelSpec has no field 'size'"):
        load_model(path, 4, cache_dir=tmp_path, overrides={"size": 4})
    with pytest.raises(ModelError, match="overrides are for network files"):
        load_model(FAST, 4, cache_dir=tmp_path, overrides={"halo": 7})


def test_unusable_files_are_errors(tmp_path: Path) -> None:
    reshape = helper.make_node("Reshape", ["x", "to"], ["y"])
    cases = {
        "missing": (tmp_path / "missing.onnx", "no network file"),
        "text": (tmp_path / "text.onnx", "not a readable ONNX file"),
        "empty": (tmp_path / "empty.onnx", "is empty; download it again"),
        "uint8": (save(tmp_path / "u8.onnx", [enlarge(2)], SCALES, dtype=TensorProto.UINT8), "UINT8"),
        "two inputs": (
            save(tmp_path / "two.onnx", [helper.make_node("Add", ["x", "z"], ["y"])], inputs=("x", "z")),
            "must have one input and one output",
        ),
        "rank": (save(tmp_path / "r.onnx", [helper.make_node("Identity", ["x"], ["y"])], shape=(3, "h", "w")), "input"),
        "five channels": (save(tmp_path / "5.onnx", [enlarge(2)], SCALES, shape=(1, 5, "h", "w")), "5 channels"),
        "batch": (save(tmp_path / "b.onnx", [enlarge(2)], SCALES, shape=(8, 3, "h", "w")), "input must be"),
        "one side": (save(tmp_path / "s.onnx", [enlarge(2)], SCALES, shape=(1, 3, 64, "w")), "one side"),
        "factor 1.5": (save(tmp_path / "h.onnx", [enlarge(1.5)], SCALES), "factor is not an integer"),
        "negative": (
            save(tmp_path / "n.onnx", [helper.make_node("Neg", ["x"], ["a"]), enlarge(2, "a")], SCALES),
            "resembles",
        ),
        "unrunnable": (
            save(tmp_path / "u.onnx", [reshape], {"to": np.array([1, 3, 5, 5])}),
            "cannot run",
        ),
    }
    (tmp_path / "text.onnx").write_text("hello, this is not a network")
    (tmp_path / "empty.onnx").touch()
    for path, message in cases.values():
        with pytest.raises(ModelError, match=message) as caught:
            load_model(path, 2, cache_dir=tmp_path / "cache")
        assert caught.value.parameter == "model"


@pytest.mark.skipif(os.name == "nt", reason="all names are Unicode there")
def test_file_whose_name_is_not_utf_8_is_given_to_runtimes_as_its_content(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.onnx")
    try:
        save(path, [enlarge(2)], SCALES)
    except OSError:
        pytest.skip("this file system takes Unicode only")
    model = load_model(path, 2, cache_dir=tmp_path / "cache")
    assert model.spec.scale == 2
    assert prepare(model).network == path.read_bytes()
