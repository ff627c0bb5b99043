"""`GET /estimate`: expected seconds of a picture, over sockets of this machine."""

from __future__ import annotations

import json
import re
import threading

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from support.running_server import running_server
from support.server_tasks import KEY
from tilewright.engine import estimate
from tilewright.server.keys import hash_of
from tilewright.server.state import ServerOptions


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("store")) as server:
        yield server


def ask(server, *, headers=None, **query):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    status, answered, body = server.request(f"/estimate?{text}", headers=headers)
    assert answered["Content-Type"] == "application/json"
    return status, json.loads(body)


def test_larger_pictures_take_longer(server):
    small, large = (ask(server, width=side, height=side, factor=2)[1]["seconds"] for side in (500, 4000))
    assert 0 < small < large / 32
    assert ask(server, model="tilewright-photo", factor=2, width=500, height=500) == (200, {"seconds": small})


def test_a_network_is_measured_once_and_no_picture_is_waited_for(server, monkeypatch):
    measured = []
    measure = estimate._seconds_per_pixel
    monkeypatch.setattr(estimate, "_seconds_per_pixel", lambda session: (measured.append(session), measure(session))[1])
    query = {"factor": 3, "width": 100, "height": 80}
    asking = [threading.Thread(target=ask, args=[server], kwargs=query) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(measured) == 1
    with server.upscaler._networks.exclusive():  # as while a picture is enlarged
        assert ask(server, **query)[0] == 200
    assert len(measured) == 1
    server.upscaler.close()
    assert ask(server, **query)[0] == 200
    assert len(measured) == 2, "it may be opened differently now"


@pytest.mark.parametrize(
    ("changed", "parameter", "code"),
    [
        ({"width": ""}, "width", "invalidRequest"),
        ({"width": "0"}, "width", "invalidRequest"),
        ({"height": "-5"}, "height", "invalidRequest"),
        ({"height": "12.5"}, "height", "invalidRequest"),
        ({"height": "1" * 10}, "height", "invalidRequest"),
        ({"factor": "5"}, "factor", "invalidRequest"),
        ({"model": "no-such-network"}, "model", "invalidModel"),
        ({"width": "60000", "height": "60000"}, None, "imageTooLarge"),
        ({"width": "999999999", "height": "1"}, None, "imageTooLarge"),
    ],
)
def test_errors_are_those_of_the_format(server, changed, parameter, code):
    status, answer = ask(server, **{"width": 10, "height": 10, "factor": 2} | changed)
    [error] = answer["errors"]
    assert (status, answer["data"], error["code"], error.get("parameter")) == (400, [], code, parameter)
    assert error["message"]


@pytest.mark.parametrize("name", ["network.onnx", "./network", "%2Fetc%2Fpasswd"])
def test_files_cannot_be_named(server, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.onnx").write_bytes(b"")
    status, answer = ask(server, width=10, height=10, factor=2, model=name)
    assert (status, answer["errors"][0]["code"]) == (400, "invalidModel")
    assert re.search("accept names of networks only|there is no network named", answer["errors"][0]["message"])


def test_a_key_is_needed_if_the_server_has_any(tmp_path):
    query = {"width": 10, "height": 10, "factor": 2}
    with running_server(tmp_path, options=ServerOptions(key_hashes=(hash_of(KEY),))) as server:
        assert ask(server, **query)[0] == 401
        assert ask(server, headers={"Authorization": "Bearer wrong"}, **query)[0] == 401
        assert ask(server, headers={"Authorization": f"Bearer {KEY}"}, **query)[0] == 200


def test_refusals_are_logged(tmp_path, caplog):
    options = ServerOptions(key_hashes=(hash_of(KEY),))
    with running_server(tmp_path, options=options) as server, caplog.at_level("INFO", "tilewright.server"):
        ask(server, headers={"Authorization": "Bearer guessed"}, width=10, height=10, factor=2)
        ask(server, headers={"Authorization": f"Bearer {KEY}"}, width=0, height=10, factor=2)
    refusals = [json.loads(each.getMessage()) for each in caplog.records if each.name == "tilewright.server"]
    assert refusals == [{"address": "127.0.0.1", "error": code} for code in ("invalidApiKey", "invalidRequest")]


def test_pages_of_other_servers_cannot_ask(server):
    headers = {"Origin": "https://evil.example.org"}
    assert ask(server, headers=headers, width=10, height=10, factor=2)[0] == 403
