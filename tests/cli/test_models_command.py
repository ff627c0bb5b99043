"""`tilewright models inspect`, `import`, `remove` and `download`, and network files for `upscale`."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from rich.console import Console

from support.cli import format_and_size, load, write_picture
from support.http_server import serving
from support.networks import REPEAT, network, resize
from tilewright.cli import main
from tilewright.models import download


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILEWRIGHT_MODELS_DIR", str(tmp_path / "models"))


def save(path, factor=2, *, gain=1.0):
    """Writes a network that repeats pixels and multiplies by a value."""
    constants = {"scales": np.array((1, 1, factor, factor), np.float32), "gain": np.float32(gain)}
    nodes = [resize("x", "e", "scales", **REPEAT), onnx.helper.make_node("Mul", ["e", "gain"], ["y"])]
    onnx.save(network(nodes, constants, output_shape=(None,) * 4), path)


def rows(text):
    return {line[:14].strip(): line[14:].strip() for line in text.splitlines()}


def test_inspect_shows_what_is_known_about_a_file(capsys):
    save("net.onnx", 4)
    assert main(["models", "inspect", "net.onnx", "--spec", "licence=MIT"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["Network"] == "net"
    assert shown["Factors"] == "4, and 2 3 by a rescale"
    assert shown["Channels"] == "RGB, NCHW, float32"
    assert shown["Black, white"] == "0, 1"
    assert shown["Context"] == "a result depends on 0 pixels around it"
    assert "exact, tiles give the same result" in shown["Seams"]
    assert re.fullmatch(r".+ for 1 megapixel, on (openvino|onnxruntime).*, fp32", shown["Time here"])
    assert shown["Licence"] == "MIT"


def test_inspect_shows_networks_of_the_catalog_and_json(capsys):
    assert main(["models", "inspect", "tilewright-photo", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["network"], facts["factors"], facts["licence"]) == (
        "tilewright-photo", [2, 3, 4], "Apache-2.0 AND BSD-3-Clause",
    )  # fmt: skip
    assert facts["secondsPerMegapixel"] > 0


def test_inspect_says_that_averages_are_not_exact(capsys):
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        onnx.helper.make_node("Mul", ["mean", "tenth"], ["part"]),
        onnx.helper.make_node("Add", ["x", "part"], ["y"]),
    ]
    onnx.save(network(nodes, {"tenth": np.float32(0.1)}), "mean.onnx")
    assert main(["models", "inspect", "mean.onnx"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["Factors"] == "1: it cleans pictures and does not enlarge them"
    assert shown["Seams"].endswith("averages over its tile, so tiles are not exact")


def test_an_imported_network_is_listed_used_and_removed(capsys):
    save("my net.onnx", 8)
    assert main(["models", "import", "my net.onnx"]) == 0
    assert "imported my-net; use it: tilewright upscale photo.jpg -o large.png -x 8 --model my-net" in (
        capsys.readouterr().err
    )
    assert main(["models"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.sub(" +", " ", line) == "my-net 2 3 4 8 ONNX; imported; licence unknown"
    write_picture("a.png", 24, 16)
    assert main(["upscale", "a.png", "-o", "b.png", "-x", "8", "--model", "my-net"]) == 0
    assert format_and_size("b.png") == ("PNG", (192, 128))
    assert main(["models", "remove", "my-net"]) == 0
    assert main(["upscale", "a.png", "-o", "c.png", "-x", "8", "--model", "my-net"]) == 2
    assert "there is no network named 'my-net'" in capsys.readouterr().err


def test_the_list_fits_80_columns_with_imported_networks(monkeypatch):
    save("a.onnx")
    assert main(["models", "import", "a.onnx", "--name", "a-name-of-40-characters-for-a-network-xx"]) == 0
    console = Console(width=80, force_terminal=True, color_system=None, file=io.StringIO())
    monkeypatch.setattr("tilewright.cli.terminal.output_console", lambda: console)
    assert main(["models"]) == 0
    assert max(map(len, console.file.getvalue().splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "missing.pth"], "there is no network file at missing.pth"),
        (["inspect", "a.tflite"], "not supported; networks are read from ONNX"),
        (["import", "net.onnx", "--name", "auto"], "the catalog has a network named 'auto'"),
        (["import", "net.onnx", "--spec", "scale"], "argument --spec: 'scale' is not KEY=VALUE"),
        (["import", "net.onnx", "--spec", "channel_order=RBG"], "choose from RGB, BGR, Y, RGBA"),
        (["import", "net.onnx", "--spec", "value_range=1"], "two numbers such as 0,255"),
        (["import", "net.onnx", "--spec", "scale=-2"], "a whole number of 0 or more"),
        (["import", "net.onnx", "--nam", "x"], "unknown option --nam; did you mean --name?"),
        (["remove", "tilewright-photo"], "is part of the catalog and cannot be removed"),
        (["delete", "x"], "invalid choice: 'delete'"),
        (["inspect"], "the following arguments are required: NAME|FILE"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message):
    save("net.onnx")
    Path("a.tflite").touch()
    assert main(["models", *arguments]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert message in errors[0]


def test_a_network_of_factor_1_cleans_a_picture_alone_and_before_another(capsys):
    save("darker.ONNX", 1, gain=0.8)
    save("double.onnx", 2)
    write_picture("a.png", 24, 16)
    picture = np.asarray(load("a.png")).astype(int)
    darker = np.rint(picture * 0.8)
    assert main(["upscale", "a.png", "-o", "b.png", "-x", "1", "--model", "darker.ONNX"]) == 0
    np.testing.assert_allclose(np.asarray(load("b.png")), darker, atol=1)
    # Without a network to run it before, it runs alone.
    assert main(["upscale", "a.png", "-o", "c.png", "-x", "1", "--pre", "darker.ONNX"]) == 0
    np.testing.assert_array_equal(np.asarray(load("c.png")), np.asarray(load("b.png")))
    assert main(["upscale", "a.png", "-o", "d.png", "-x", "2", "--model", "double.onnx", "--pre", "darker.ONNX"]) == 0
    np.testing.assert_allclose(np.asarray(load("d.png")), darker.repeat(2, 0).repeat(2, 1), atol=1)
    capsys.readouterr()
    assert main(["upscale", "a.png", "-o", "e.png", "-x", "1"]) == 2
    assert "does not offer the factor 1; it offers 2, 3, 4" in capsys.readouterr().err


def test_results_with_and_without_the_first_network_are_told_apart(capsys):
    save("darker.onnx", 1, gain=0.8)
    save("double.onnx", 2)
    write_picture("a.png", 24, 16)
    command = ["upscale", "a.png", "-o", "out/", "-x", "2", "--model", "double.onnx"]
    assert main(command) == 0
    assert main([*command, "--pre", "darker.onnx"]) == 1
    assert "double.onnx, after darker.onnx" in capsys.readouterr().err


def test_facts_given_on_the_command_line_are_used():
    node = onnx.helper.make_node("Mul", ["x", "gains"], ["y"])
    onnx.save(network([node], {"gains": np.array([1, 1, 0.5], np.float32).reshape(1, 3, 1, 1)}), "gains.onnx")
    write_picture("a.png", 24, 16)
    picture = np.asarray(load("a.png"))
    command = ["upscale", "a.png", "-x", "1", "--model", "gains.onnx", "-o"]
    assert main([*command, "b.png"]) == 0
    assert main([*command, "c.png", "--spec", "channel_order=BGR"]) == 0
    np.testing.assert_allclose(np.asarray(load("b.png"))[:, :, 2], picture[:, :, 2] / 2, atol=1)
    np.testing.assert_allclose(np.asarray(load("c.png"))[:, :, 0], picture[:, :, 0] / 2, atol=1)


@pytest.fixture
def index(monkeypatch):
    """A server with an index of one network, whose licence forbids commercial use."""
    save("file.onnx", 4)
    content = Path("file.onnx").read_bytes()
    with serving() as server:
        server.reply("/file.onnx", content)
        resource = {
            "type": "onnx", "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
            "urls": [server.url("/file.onnx")],
        }  # fmt: skip
        entry = {
            "name": "Test", "author": "ann", "license": "CC-BY-NC-4.0", "description": "Sharp.",
            "resources": [resource],
        }  # fmt: skip
        server.reply("/models.json", json.dumps({"4x-Test": entry}).encode())
        monkeypatch.setattr(download, "INDEX_URL", server.url("/models.json"))
        yield server


def test_download_shows_the_licence_and_asks_for_consent(index, capsys):
    assert main(["models", "download", "4x-test"]) == 2
    errors = capsys.readouterr().err
    assert "Test, by ann, 0.0 MB; " in errors
    assert "licence: CC-BY-NC-4.0" in errors
    assert "repeat the command with --accept-licence" in errors
    assert [path for path, _ in index.seen] == ["/models.json"]
    assert main(["models", "download", "4x-test", "--accept-licence"]) == 0
    assert "imported 4x-Test; use it: tilewright upscale" in capsys.readouterr().err
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)[-1]
    assert (listed["name"], listed["summary"], listed["licence"]) == ("4x-Test", "Sharp.", "CC-BY-NC-4.0")
    assert listed["source"] == index.url("/models/4x-Test")
    requests = len(index.seen)
    assert main(["models", "download", "4x-test", "--accept-licence"]) == 2
    assert "has been imported before" in capsys.readouterr().err
    assert len(index.seen) == requests + 1, "the file is not downloaded again"
    assert main(["models", "download", "4x-test", "--accept-licence", "--name", "other"]) == 0
    assert "imported other; use it" in capsys.readouterr().err
