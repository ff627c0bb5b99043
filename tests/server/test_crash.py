"""A server that is killed, and servers that share a store."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from PIL import Image

from support.running_server import running_server
from support.server_tasks import picture, task
from tilewright.store.records import RECORD

COUNT = 50


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def call(port, tasks):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1", json.dumps(tasks).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def poll(tasks):
    return [{"taskType": "getResponse", "taskUUID": each["taskUUID"]} for each in tasks]


@pytest.fixture
def killed(tmp_path):
    """Tasks that a server had accepted and partly finished when it was killed."""
    port = free_port()
    command = [sys.executable, "-m", "tilewright", "serve", "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"TILEWRIGHT_STORE": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert "serving" in server.stderr.readline()
            large = picture(300, 200)
            tasks = [
                task(inputImage=large, upscaleFactor=4, outputFormat="PNG", deliveryMethod="async")
                for _ in range(COUNT)
            ]
            assert len(call(port, tasks)["data"]) == COUNT
            wait_until(lambda: len(list(tmp_path.glob("*.png"))) >= 6)
        finally:
            server.send_signal(signal.SIGKILL)
            server.stderr.close()
    return tasks


def test_every_task_of_a_killed_server_is_finished_or_reported_as_failed(killed, tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.service.heartbeat._PATIENCE", 1.0)
    with running_server(tmp_path) as server:

        def is_over():
            return not any(item["status"] == "processing" for item in server.call(poll(killed))[1]["data"])

        wait_until(is_over)
        status, answer = server.call(poll(killed))
        assert status == 200
        finished = {item["taskUUID"]: item["imageURL"] for item in answer["data"]}
        failed = {error["taskUUID"]: error for error in answer["errors"]}
        assert finished.keys() | failed.keys() == {each["taskUUID"] for each in killed}
        assert len(finished) + len(failed) == COUNT
        assert 0 < len(finished) < COUNT
        assert {error["status"] for error in failed.values()} == {"error"}
        assert all("send it again" in error["message"] for error in failed.values())
        for url in finished.values():
            with Image.open(io.BytesIO(server.request(url[url.index("/images") :])[2])) as image:
                image.load()
                assert image.size == (1200, 800)
        # The same tasks can be sent again.
        again = [each for each in killed if each["taskUUID"] in failed][:2]
        assert len(server.call(again)[1]["data"]) == 2
        wait_until(lambda: all(item.get("status") == "success" for item in server.call(poll(again))[1]["data"]))
    for path in tmp_path.iterdir():  # no half file among the images
        if not path.name.startswith((".", RECORD)):
            with Image.open(path) as image:
                image.load()


def test_servers_on_one_store_answer_for_each_other(tmp_path):
    with running_server(tmp_path) as first, running_server(tmp_path) as second:
        later, now = task(deliveryMethod="async"), task()
        first.call([later])
        [answered] = first.call([now])[1]["data"]
        wait_until(lambda: second.call(poll([later]))[1]["data"][0]["status"] == "success")
        [item] = second.call(poll([now]))[1]["data"]
        assert item["imageUUID"] == answered["imageUUID"]
        for each in (first, second):
            assert each.request(f"/images/{item['imageUUID']}.jpg")[0] == 200
