"""The service's official clients, unmodified, over sockets: only the address is changed.

Each client runs in its own environment, which ``.ci/run clients`` makes.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from PIL import Image

from support.paths import ROOT
from support.running_server import running_server
from tilewright.server.keys import hash_of
from tilewright.server.state import ServerOptions
from tilewright.testing import make_picture

KEY = "a key"
FAULTS = {
    "upscaleFactor": "unsupportedUpscaleFactor",
    "inputImage": "invalidInputImage",
    "outputFormat": "unsupportedOutputFormat",
    "model": "invalidModel",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("store"), options=ServerOptions(key_hashes=(hash_of(KEY),))) as server:
        yield server


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(make_picture(6, 8)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def environment_of(name):
    folder = ROOT / "build" / "clients" / name
    if not folder.exists():
        pytest.skip(f"needs the environment of the client {name}, which .ci/run clients makes")
    return folder


def outcomes_of(interpreter, script, *arguments):
    result = subprocess.run(
        [interpreter, ROOT / "tests" / "clients" / script, *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def size_at(server, outcome):
    status, _, content = server.request(outcome["url"].removeprefix(server.http))
    assert status == 200
    return size_of(content)


def size_of(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def decoded(text):
    return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)


def test_runware_works_over_websocket(server, picture):
    python = environment_of("runware") / "bin" / "python"
    outcomes = outcomes_of(python, "runware_over_sockets.py", server.ws, KEY, picture)
    for factor in (2, 3, 4):
        for file_format in ("PNG", "JPG", "WEBP"):
            outcome = outcomes[f"{factor} {file_format}"]
            assert size_at(server, outcome) == (8 * factor, 6 * factor)
            assert outcome["cost"] == 0
    assert size_of(decoded(outcomes["base64Data"])) == size_of(decoded(outcomes["dataURI"])) == (16, 12)
    assert size_at(server, outcomes["uploaded"]) == (16, 12)
    assert {name: outcomes[f"fault {name}"] for name in FAULTS} == FAULTS


def test_runware_sdk_works_over_websocket_and_rest(server, picture):
    python = environment_of("runware-sdk") / "bin" / "python"
    outcomes = outcomes_of(python, "runware_sdk_over_sockets.py", server.ws, f"{server.http}/v1", KEY, picture)
    for transport in ("websocket", "rest"):
        for factor in (2, 3, 4):
            for delivery in ("sync", "async"):
                assert size_at(server, outcomes[f"{transport} {factor} {delivery}"]) == (8 * factor, 6 * factor)
        assert size_of(decoded(outcomes[f"{transport} base64Data"])) == (16, 12)
        for name in FAULTS:
            assert outcomes[f"{transport} fault {name}"] == ["validation", name]


def test_sdk_js_works_over_websocket(server, picture):
    outcomes = outcomes_of("node", "sdk_js_over_sockets.mjs", environment_of("sdk-js"), server.ws, KEY, picture)
    for factor in (2, 3, 4):
        for file_format in ("PNG", "JPG", "WEBP"):
            assert size_at(server, outcomes[f"{factor} {file_format}"]) == (8 * factor, 6 * factor)
    assert size_of(decoded(outcomes["base64Data"])) == size_of(decoded(outcomes["dataURI"])) == (16, 12)
    assert size_at(server, outcomes["async"]) == (16, 12)
    assert {name: outcomes[f"fault {name}"] for name in FAULTS} == FAULTS
