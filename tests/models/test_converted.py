"""The checksums of converted networks, which protect a shared cache."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from support.networks import REPEAT, network, resize
from tilewright.models import loader
from tilewright.models.catalog import CATALOG
from tilewright.models.converted import CONVERTED_SHA256
from tilewright.models.loader import load_model

if TYPE_CHECKING:
    from pathlib import Path

FAST = "realesr-animevideov3"


def cached_networks(entry):
    """Returns factor and denoising level of each converted network of an entry, by its key in the cache."""
    found = {}
    for factor in entry.factors:
        for level in (None, *entry.denoise):
            try:
                network = entry.network(factor, level)
            except loader.ModelError:
                continue
            found.setdefault(loader.cache_key(entry, network, factor), (factor, level))
    return found


def test_there_is_a_checksum_for_every_network():
    assert set(CONVERTED_SHA256) == {key for entry in CATALOG.values() for key in cached_networks(entry)}


def check(entry):
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    found = {}
    for key, (factor, level) in cached_networks(entry).items():
        model = loader._convert(entry, entry.network(factor, level), factor)
        found[key] = hashlib.sha256(loader._serialised(model)).hexdigest()
    assert found == {key: checksum for key, checksum in CONVERTED_SHA256.items() if key in found}


@pytest.mark.parametrize("name", ["tilewright-photo", FAST])
def test_checksums_are_those_of_what_the_importer_makes(name):
    check(CATALOG[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(CATALOG) - {"tilewright-photo", FAST}))
def test_checksums_of_the_other_networks(name):
    check(CATALOG[name])


def foreign_network() -> bytes:
    """Returns a network that repeats pixels."""
    scales = {"scales": np.array((1, 1, 4, 4), np.float32)}
    return network([resize("x", "y", "scales", **REPEAT)], scales).SerializeToString()


@pytest.mark.skipif(not CATALOG[FAST].installed, reason=f"{CATALOG[FAST].package} is not installed")
@pytest.mark.parametrize("where", ["own name", "same name"])
def test_foreign_file_in_the_cache_is_not_used(where: str, tmp_path: Path) -> None:
    """With its own name, it ends in the checksum of its content, and may sort before the true one."""
    path = load_model(FAST, 4, cache_dir=tmp_path).path
    content, foreign = path.read_bytes(), foreign_network()
    if where == "own name":
        digest = hashlib.sha256(foreign).hexdigest()[:16]
        path.unlink()
        path.with_name(f"{path.stem[:-16]}{digest}.onnx").write_bytes(foreign)
    else:
        path.write_bytes(foreign)
    again = load_model(FAST, 4, cache_dir=tmp_path).path
    assert again.read_bytes() == content


def test_foreign_file_in_place_of_a_rescaled_own_network_is_not_used(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(foreign_network())
    path = load_model(own, 2, cache_dir=tmp_path / "cache").path
    content = path.read_bytes()
    path.write_bytes(foreign_network())
    digest = hashlib.sha256(foreign_network()).hexdigest()[:16]
    path.with_name(f"{path.stem[:-16]}{digest}.onnx").write_bytes(foreign_network())
    again = load_model(own, 2, cache_dir=tmp_path / "cache").path
    assert again.read_bytes() == content


def test_network_that_is_converted_differently_here_is_still_used(tmp_path: Path, monkeypatch) -> None:
    """Another version of onnx may write it differently."""
    [key] = [key for key in CONVERTED_SHA256 if key.startswith("tilewright-photo-x2-")]
    monkeypatch.setitem(CONVERTED_SHA256, key, "0" * 64)
    first = load_model("tilewright-photo", 2, cache_dir=tmp_path)
    written = first.path.stat().st_mtime_ns
    assert load_model("tilewright-photo", 2, cache_dir=tmp_path) == first
    assert first.path.stat().st_mtime_ns == written
    onnx.checker.check_model(onnx.load(first.path))
