"""The test cases of the wire format, over HTTP and over WebSocket."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.sync.client import connect

from support.contract import all_cases, check_case, contract_settings
from support.running_server import running_server


class OverHttp:
    """Sends tasks by HTTP."""

    def __init__(self, running):
        self._running = running
        self.upload = running.upscaler.upload

    def run(self, tasks):
        status, response = self._running.call(tasks)
        assert status == 200
        return response


class OverWebSocket:
    """Sends tasks by WebSocket, and joins the frames to one envelope in the order of the tasks."""

    def __init__(self, running, socket):
        self._socket = socket
        self.upload = running.upscaler.upload

    def run(self, tasks):
        self._socket.send(json.dumps(tasks))
        sent = tasks if isinstance(tasks, list) else [tasks]
        frames = []
        while len(frames) < max(len(sent), 1):
            frames.append(json.loads(self._socket.recv(timeout=60)))
            if any(error["code"] == "tooManyTasks" for error in frames[-1].get("errors", [])):
                break  # one answer for all of them
        order = {}
        for index, task in enumerate(sent):
            order.setdefault(json.dumps(task.get("taskUUID")), index)

        def place(item):
            return order.get(json.dumps(item.get("taskUUID")), len(sent))

        data = sorted((item for frame in frames for item in frame["data"]), key=place)
        errors = sorted((item for frame in frames for item in frame.get("errors", [])), key=place)
        return {"data": data, "errors": errors} if errors else {"data": data}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("store"), settings=contract_settings()) as server:
        yield server


@pytest.fixture(scope="module", params=["http", "websocket"])
def door(request, running):
    if request.param == "http":
        yield OverHttp(running)
        return
    with connect(running.ws, max_size=None) as socket:
        yield OverWebSocket(running, socket)


# What is no task here, or has no JSON that Python's parser takes: see `test_what_no_parser_takes_is_refused`.
ELSEWHERE = (
    "unsupported: authentication", "unsupported: ping", "nesting deeper than a parser's stack",
    "an integer of 10000 digits", "a value that cannot be shown does not stop the other tasks",
)  # fmt: skip


@pytest.mark.parametrize("case", all_cases())
def test_case(case, door, running, monkeypatch):
    if case["name"] in ELSEWHERE:
        pytest.skip("it is no task over a socket")
    if case["name"].startswith("a taskUUID twice") and isinstance(door, OverWebSocket):
        pytest.skip("frames of one taskUUID come in the order in which they are ready")
    if case["name"] == "of a task that was answered at once":
        pytest.skip("a server keeps all outcomes, because the connection may be lost")
    check_case(case, door, running.upscaler, monkeypatch, for_python=False)


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, '[{"upscaleFactor": ' + "9" * 10_000 + "}]", "{", "3", "[3]", "\udcff"]
)
def test_what_no_parser_takes_is_refused(running, text):
    data = text.encode("utf-8", "surrogatepass")
    status, _, body = running.request("/v1", data)
    assert status == 400
    assert json.loads(body)["errors"][0]["code"] == "invalidRequest"
    if "\udcff" not in text:
        with connect(running.ws) as socket:
            socket.send(text)
            assert json.loads(socket.recv(timeout=60))["errors"][0]["code"] == "invalidRequest"
