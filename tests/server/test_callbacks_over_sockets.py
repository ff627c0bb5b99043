"""Tasks that clients of the server send, and whose outcomes go to other servers on loopback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("uvicorn", reason="needs the extra server")

from support.http_server import serving
from support.running_server import running_server
from support.server_tasks import task
from tilewright import Settings
from tilewright.service.callbacks import Callbacks


@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_outcomes_of_calls_are_sent_before_the_server_has_stopped(tmp_path, delivery):
    settings = replace(Settings.from_environment(), send_results="public")
    with serving() as receiver:
        receiver.reply("/hook")
        receiver.reply("/put")
        urls = {"webhookURL": receiver.url("/hook"), "uploadEndpoint": receiver.url("/put")}
        sent = task(deliveryMethod=delivery, **urls)
        with running_server(tmp_path, settings=settings) as server:
            runner = server.upscaler._runner
            runner._callbacks = Callbacks(runner._handler, allow=(receiver.authority,), pauses=(0,))
            status, envelope = server.call([sent])
        assert (status, list(envelope)) == (200, ["data"])
        received = {path: (method, content) for method, path, _, content in receiver.received}
        method, content = received["/hook"]
        [item] = json.loads(content)["data"]
        assert (method, item["taskUUID"]) == ("POST", sent["taskUUID"])
        assert received["/put"][0] == "PUT"
        assert received["/put"][1].startswith(b"\xff\xd8")
        if delivery == "sync":
            assert envelope["data"] == [item]
