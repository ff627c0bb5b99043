"""The service's official clients, unmodified, over sockets: only the address is changed.

Each client runs in its own environment, which ``.ci/run clients`` makes.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import time

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from support.paths import ROOT
from support.relay import relay_to
from support.running_server import running_server
from support.served_client import TIMEOUTS
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
# What Pillow calls each output format.
FORMATS = {"PNG": "PNG", "JPG": "JPEG", "WEBP": "WEBP"}
LONGEST = 120  # seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("store"), options=ServerOptions(key_hashes=(hash_of(KEY),))) as server:
        yield server


@pytest.fixture(scope="module")
def upscaler(server):
    """The one that the fixture `held_back` holds back."""
    return server.upscaler


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(make_picture(6, 8)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def environment_of(name):
    folder = ROOT / "build" / "clients" / name
    if not folder.exists():
        pytest.skip(f"needs the environment of the client {name}, which .ci/run clients makes")
    return folder


def python_of(name):
    return environment_of(name) / "bin" / "python"


def started(interpreter, script, *arguments):
    command = [interpreter, ROOT / "tests" / "clients" / script, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **TIMEOUTS}
    )


def outcome_of(process):
    output, problems = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, problems
    return json.loads(output.splitlines()[-1])


def picture_at(server, outcome):
    """Returns format and size of the picture at a URL."""
    status, _, content = server.request(outcome["url"].removeprefix(server.http))
    assert status == 200
    return picture_in(content)


def picture_in(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.format, image.size


def check_pictures(server, outcomes):
    """Checks every factor with every format, all output types, and all forms of the input that a client was given."""
    for factor in (2, 3, 4):
        for name, kind in FORMATS.items():
            assert picture_at(server, outcomes[f"{factor} {name}"]) == (kind, (8 * factor, 6 * factor))
    prefix, _, data = outcomes["dataURI"].partition(",")
    assert prefix == "data:image/png;base64"
    for text in (data, outcomes["base64Data"]):
        assert picture_in(base64.b64decode(text, validate=True)) == ("PNG", (16, 12))
    for name in ("uploaded", *(name for name in outcomes if name.startswith("from "))):
        assert picture_at(server, outcomes[name]) == ("PNG", (16, 12))


def test_runware_works_over_websocket(server, picture):
    outcomes = outcome_of(started(python_of("runware"), "runware_over_sockets.py", server.ws, KEY, picture))
    check_pictures(server, outcomes)
    assert [outcomes[f"4 {name}"]["cost"] for name in FORMATS] == [0, 0, 0]
    assert outcomes["async"]["accepted"] == "IAsyncTaskResponse"
    assert picture_at(server, outcomes["async"]) == ("PNG", (16, 12))
    assert {name: outcomes[f"fault {name}"] for name in FAULTS} == FAULTS


def test_runware_sdk_works_over_websocket_and_rest(server, picture):
    script = "runware_sdk_over_sockets.py"
    found = outcome_of(started(python_of("runware-sdk"), script, server.ws, f"{server.http}/v1", KEY, picture))
    for transport in ("websocket", "rest"):
        outcomes = found[transport]
        check_pictures(server, outcomes)
        for factor in (2, 3, 4):
            assert picture_at(server, outcomes[f"{factor} async"]) == ("PNG", (8 * factor, 6 * factor))
        assert {name: outcomes[f"fault {name}"] for name in FAULTS} == {name: ["validation", name] for name in FAULTS}


def test_sdk_js_works_over_websocket(server, picture):
    outcomes = outcome_of(started("node", "sdk_js_over_sockets.mjs", environment_of("sdk-js"), server.ws, KEY, picture))
    check_pictures(server, outcomes)
    assert picture_at(server, outcomes["async"]) == ("PNG", (16, 12))
    assert {name: outcomes[f"fault {name}"] for name in FAULTS} == FAULTS


# --- The connection is cut while a task runs -------------------------------------------------------------------------


def metric(server, name):
    """Returns the sum of a metric over all its labels."""
    families = text_string_to_metric_families(server.request("/metrics")[2].decode())
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def wait_until(condition):
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, "the client did not send what was expected"
        time.sleep(0.02)


def outcome_after_cut(server, held_back, delivery, start):
    """Starts a client, cuts its connections in the middle of its task, and lets the task finish.

    An asynchronous task has been accepted and asked about when the connections are cut.

    Args:
        server: The server.
        held_back: While it is not set, no task for a JPG file is finished.
        delivery: The ``deliveryMethod`` of the task.
        start: Starts the client, for the host and port of a server.
    """
    answered = metric(server, "tilewright_tasks_total")
    with relay_to(server.port) as relay, start(relay.authority) as client:
        try:
            if delivery == "sync":
                wait_until(lambda: metric(server, "tilewright_calls_running"))
            else:
                wait_until(lambda: metric(server, "tilewright_tasks_total") >= answered + 2)
            before = relay.connections
            assert relay.cut(), "there was no connection to cut"
            held_back.set()
            outcome = outcome_of(client)
        finally:
            client.kill()
        assert relay.connections > before
    return outcome


@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_runware_returns_the_result_after_a_dropped_connection(server, picture, held_back, delivery):
    def start(authority):
        return started(python_of("runware"), "runware_dropped.py", f"ws://{authority}/v1", KEY, picture, delivery)

    outcome = outcome_after_cut(server, held_back, delivery, start)
    assert picture_at(server, outcome) == ("JPEG", (16, 12))


@pytest.mark.parametrize(
    ("transport", "delivery"), [("websocket", "sync"), ("websocket", "async"), ("rest", "sync"), ("rest", "async")]
)
def test_runware_sdk_returns_the_result_after_a_dropped_connection(server, picture, held_back, transport, delivery):
    def start(authority):
        addresses = (f"ws://{authority}/v1", f"http://{authority}/v1")
        arguments = (*addresses, KEY, picture, transport, delivery)
        return started(python_of("runware-sdk"), "runware_sdk_dropped.py", *arguments)

    outcome = outcome_after_cut(server, held_back, delivery, start)
    assert picture_at(server, outcome) == ("JPEG", (16, 12))
    # Over WebSocket, the client sends a synchronous task only once; the program has to send it again.
    refused = (transport, delivery) == ("websocket", "sync")
    assert outcome.get("raised") == ("connection" if refused else None)


@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_sdk_js_returns_the_result_after_a_dropped_connection(server, picture, held_back, delivery):
    def start(authority):
        arguments = (environment_of("sdk-js"), f"ws://{authority}/v1", KEY, picture, delivery)
        return started("node", "sdk_js_dropped.mjs", *arguments)

    outcome = outcome_after_cut(server, held_back, delivery, start)
    assert picture_at(server, outcome) == ("JPEG", (16, 12))
