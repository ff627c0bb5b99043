"""Imported networks: names, files, removal, and their use in tasks."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import onnx
import pytest

import tilewright
from support.networks import REPEAT, network, resize
from tilewright import Settings, Upscaler
from tilewright.errors import ModelError, StoreError
from tilewright.models.collection import find_own, import_network, own_networks, remove_network
from tilewright.models.listing import list_models
from tilewright.models.loader import check_exists, check_name, load_model, offered_factors


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def path(tmp_path):
    """A network of factor 4 that repeats pixels."""
    path = tmp_path / "My Network v2.onnx"
    scales = {"scales": np.array((1, 1, 4, 4), np.float32)}
    onnx.save(network([resize("x", "y", "scales", **REPEAT)], scales, output_shape=(None,) * 4), path)
    return path


def imported(path, folder, name=None, **options):
    return import_network(path, name, folder, cache_dir=folder.parent / "cache", **options)[0]


def test_an_imported_network_is_used_by_name_after_its_file_is_gone(path, folder, tmp_path):
    name = imported(path, folder)
    assert name == "My-Network-v2"
    path.unlink()
    assert offered_factors(name, cache_dir=tmp_path, models_dir=folder) == (2, 3, 4)
    check_exists(name, models_dir=folder)
    settings = replace(Settings.from_environment(), models_dir=folder)
    with Upscaler(model=name, settings=settings, device="cpu") as upscaler:
        picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
        np.testing.assert_array_equal(upscaler.upscale_array(picture, 4), picture.repeat(4, 0).repeat(4, 1))


def test_tasks_may_name_it(path, folder):
    name = imported(path, folder)
    settings = replace(Settings.from_environment(), models_dir=folder)
    task = tilewright.new_task(np.zeros((4, 4, 3), np.uint8), 2, model=name, outputType="base64Data")
    with Upscaler(settings=settings, device="cpu") as upscaler:
        assert upscaler.upscale(task).get("errors") is None
    check_name(name, 4, models_dir=folder)
    with pytest.raises(ModelError, match=f"no network named '{name}'"):
        check_name(name, 4)
    with pytest.raises(ModelError, match="tasks accept names of networks only; import the file"):
        check_name("x.pth", 4, models_dir=folder)


def test_facts_and_details_are_kept(path, folder, tmp_path):
    name = imported(path, folder, "mine", overrides={"licence": "MIT"}, details={"summary": "repeats pixels"})
    found = find_own(name, folder)
    assert (found.spec.licence, found.spec.name, found.spec.source) == ("MIT", "mine", str(path))
    assert found.details == {"file": path.name, "summary": "repeats pixels"}
    listed = list_models(folder)[-1]
    assert (listed["name"], listed["summary"], listed["licence"], listed["scales"]) == (
        "mine", "repeats pixels", "MIT", [2, 3, 4],
    )  # fmt: skip
    assert (listed["package"], listed["installed"]) == (None, True)
    assert load_model(name, 4, cache_dir=tmp_path, models_dir=folder, overrides={"halo": 9}).spec.halo == 9


def test_network_with_external_data_becomes_one_file(folder, tmp_path):
    model = network(
        [onnx.helper.make_node("Mul", ["x", "w"], ["y"])], {"w": np.full((1, 3, 40, 40), 1, np.float32)},
        shape=(1, 3, 40, 40),
    )  # fmt: skip
    onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0)
    name = imported(tmp_path / "big.onnx", folder)
    (tmp_path / "big.data").unlink()
    assert len(onnx.load(find_own(name, folder).path).graph.initializer[0].raw_data) == 3 * 40 * 40 * 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("auto", "the catalog has a network named 'auto'"),
        ("RealESRGAN-x4plus", "the catalog has a network named"),
        ("../x", "cannot be the name"),
        ("", "cannot be the name"),
        (".x", "cannot be the name"),
        ("x" * 41, "cannot be the name"),
        ("a b", "cannot be the name"),
        ("x.onnx", "looks like the name of a file"),
        ("Taken", r"named 'taken' has been imported before; remove it \(`tilewright models remove taken`\)"),
    ],
)
def test_names_that_cannot_be_used_are_refused(path, folder, name, message):
    imported(path, folder, "taken")
    with pytest.raises(ModelError, match=message) as caught:
        imported(path, folder, name)
    assert caught.value.parameter == "name"
    assert list(own_networks(folder)) == ["taken"]


def test_removal_leaves_nothing(path, folder):
    name = imported(path, folder)
    remove_network(name, folder)
    assert list(folder.iterdir()) == []
    for unknown in (name, "../x"):
        with pytest.raises(
            ModelError, match="is not an imported network, so it cannot be removed; imported networks: none"
        ):
            remove_network(unknown, folder)
    with pytest.raises(ModelError, match="is part of the catalog and cannot be removed"):
        remove_network("span-x2-ch48", folder)


def test_a_damaged_network_is_reported(path, folder, tmp_path):
    name = imported(path, folder)
    find_own(name, folder).path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match=f"'{name}' is damaged.*tilewright models remove {name}"):
        load_model(name, 4, cache_dir=tmp_path, models_dir=folder)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_that_others_can_write_holds_no_networks(path, folder):
    imported(path, folder)
    folder.chmod(0o777)
    assert own_networks(folder) == {}


def test_a_record_cannot_lead_out_of_its_folder(path, folder):
    name = imported(path, folder)
    record = folder / f"{name}.json"
    fields = json.loads(record.read_text())
    record.write_text(json.dumps({**fields, "file": "../../etc/passwd"}))
    assert find_own(name, folder).path == folder / "passwd"


def test_unknown_name_suggests_imported_ones(path, folder):
    imported(path, folder, "my-network")
    with pytest.raises(ModelError, match="did you mean 'my-network'") as caught:
        check_exists("my-netwrk", models_dir=folder)
    assert "my-network" in caught.value.allowed_values


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_whose_networks_would_not_be_used_is_refused(path, folder):
    folder.mkdir()
    folder.chmod(0o775)
    with pytest.raises(StoreError, match=r"other users can write to .*; run: chmod go-w"):
        imported(path, folder)
    assert list(folder.iterdir()) == []


def test_a_link_to_a_folder_is_a_folder(path, folder, tmp_path):
    (tmp_path / "elsewhere").mkdir(0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    imported(path, folder, "mine")
    assert list(own_networks(folder)) == ["mine"]


@pytest.mark.parametrize("damage", ["{bad", "{}", '{"details": []}'])
def test_a_damaged_record_is_ignored_and_can_be_removed(path, folder, damage):
    imported(path, folder, "good")
    imported(path, folder, "bad")
    record = folder / "bad.json"
    record.write_text(damage if damage[1:2] != '"' else json.dumps({**json.loads(record.read_text()), "details": []}))
    assert list(own_networks(folder)) == ["good"]
    remove_network("bad", folder)
    assert sorted(file.suffix for file in folder.iterdir()) == [".json", ".onnx"]


def test_a_record_of_another_version_is_read(path, folder):
    name = imported(path, folder)
    record = folder / f"{name}.json"
    fields = json.loads(record.read_text())
    record.write_text(json.dumps({**fields, "spec": {**fields["spec"], "new_field": 1}}))
    assert find_own(name, folder).spec.scale == 4
