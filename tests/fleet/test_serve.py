"""`examples/ray_serve.py` on Ray: two replicas that share a store."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request

import pytest

from fleet.conftest import LOOPBACK, wait_until
from support.paths import ROOT
from tilewright import Upscaler, new_task
from tilewright.testing import make_picture

pytestmark = pytest.mark.fleet

SCRIPT = ROOT / "examples" / "ray_serve.py"
REPLICA = "ray::ServeReplica"


class Service:
    """The service at a port of the loopback interface, and the process that started it."""

    def __init__(self, fleet, port):
        self.address = f"127.0.0.1:{port}"
        self.process = fleet.start(SCRIPT, "--replicas", 2, "--port", port)

    def get(self, path, data=None):
        """Returns the body of an answer; None as long as there is none, or one of an error."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", data, timeout=60) as answer:
                return answer.read()
        except OSError:
            return None

    def call(self, *tasks):
        """Sends tasks until there is an answer, and returns it."""
        return json.loads(wait_until(lambda: self.get("/v1", json.dumps(tasks).encode())))

    def outcome(self, task):
        """Polls until a task is finished, and returns its item."""
        question = {"taskType": "getResponse", "taskUUID": task["taskUUID"]}

        def item():
            answer = self.call(question)
            [found] = answer["data"] or answer["errors"]
            return found["status"] != "processing" and found

        return wait_until(item)

    def replicas(self):
        """Returns when the metrics of the replicas that answer were made, which tells them apart."""
        made = re.compile(rb'^tilewright_task_seconds_created{type="imageUpscale"} (.*)$', re.MULTILINE)
        return {each for _ in range(30) for each in made.findall(self.get("/metrics") or b"")}


@pytest.fixture(scope="module")
def service(fleet, tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fleet.environment |= {
        "TILEWRIGHT_STORE": str(tmp_path_factory.mktemp("shared")),
        "TILEWRIGHT_STORE_PUBLIC_URL": f"http://127.0.0.1:{port}/images",
    }
    service = Service(fleet, port)
    try:
        wait_until(lambda: len(service.replicas()) == 2)
        assert service.get("/readyz") == b"ready\n"
        yield service
    finally:
        service.process.kill()
        service.process.wait()


@pytest.fixture(scope="module")
def expected():
    """Returns a function that upscales a picture of base64 text in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TILEWRIGHT_RUNTIME", "native")
        upscaler = Upscaler(device="cpu", store="memory://serve")

    def upscale(task):
        sync = {**task, "outputType": "base64Data", "deliveryMethod": "sync"}
        return base64.b64decode(upscaler.upscale(sync)["data"][0]["imageBase64Data"])

    with upscaler:
        yield upscale


def tasks(count, *, side=32, **fields):
    """Makes tasks with pictures as base64 text."""
    upscaler = Upscaler(device="cpu", store="memory://uploads")
    pictures = [make_picture(side + i, side) for i in range(count)]
    data = [upscaler.store.get(upscaler.upload(each)["data"][0]["imageUUID"]) for each in pictures]
    texts = [base64.b64encode(each).decode() for each in data]
    return [new_task(text, 2, outputFormat="PNG", **fields) for text in texts]


def image_of(service, item):
    return service.get(item["imageURL"].removeprefix(f"http://{service.address}"))


def test_tasks_give_the_results_of_one_process(service, fleet, expected):
    assert fleet.listening() <= LOOPBACK
    sent = tasks(6)
    for task in sent:
        [item] = service.call(task)["data"]
        assert image_of(service, item) == expected(task)


def test_every_replica_answers_for_tasks_of_replicas_that_were_killed(service, fleet, expected):
    sent = tasks(8, deliveryMethod="async")
    for task in sent:
        assert list(service.call(task)["data"][0]) == ["taskType", "taskUUID"]
    items = [service.outcome(task) for task in sent]
    assert [item["status"] for item in items] == ["success"] * len(sent)
    # Each of the two gets some of these calls, and has accepted some of the tasks only.
    for _ in range(5):
        assert [service.outcome(task) for task in sent] == items
    accepted = fleet.processes(REPLICA)
    assert len(accepted) == 2
    for pid in accepted:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: pid not in fleet.processes(REPLICA))
        assert [service.outcome(task) for task in sent] == items
    assert [image_of(service, item) for item in items] == [expected(task) for task in sent]
    wait_until(lambda: len(service.replicas()) == 2)


def test_websocket_sessions_go_through_the_proxy(service):
    from websockets.sync.client import connect

    [task] = tasks(1)
    with connect(f"ws://{service.address}/v1", proxy=None) as socket:
        socket.send(json.dumps([{"taskType": "authentication", "apiKey": "any"}]))
        assert json.loads(socket.recv(60))["data"][0]["connectionSessionUUID"]
        socket.send(json.dumps([task]))
        assert json.loads(socket.recv(60))["data"][0]["taskUUID"] == task["taskUUID"]


def test_what_was_accepted_is_finished_before_the_service_stops(service, fleet):
    """The last test of this file, because it stops the service."""
    sent = tasks(16, side=160, deliveryMethod="async")
    for task in sent:
        assert "errors" not in service.call(task)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(120) == 0
    with Upscaler(device="cpu", store=fleet.environment["TILEWRIGHT_STORE"]) as upscaler:
        answers = [upscaler.run({"taskType": "getResponse", "taskUUID": task["taskUUID"]}) for task in sent]
    assert [answer["data"][0]["status"] for answer in answers] == ["success"] * len(sent)
