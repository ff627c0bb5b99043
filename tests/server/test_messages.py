"""Messages of a server over sockets of this machine say nothing about its folders; the log does."""

from __future__ import annotations

import json
import uuid

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.sync.client import connect

from support.running_server import running_server
from support.server_tasks import receive, send, task
from tilewright.errors import StoreError


@pytest.fixture(params=["unusable", "other"])
def broken(request, tmp_path, monkeypatch):
    """A server whose store cannot be used, or which has another failure that names a folder; and the folder."""
    folder = tmp_path / "secret"
    folder.write_bytes(b"")  # no folder can be made there
    with running_server(folder / "images") as server:
        if request.param == "other":

            def fail(*_args, **_options):
                raise OSError(f"{folder} is gone")

            monkeypatch.setattr(server.upscaler._runner._handler, "_upscale", fail)
        yield server, str(folder)


@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_failures_of_the_server_are_explained_in_its_log(broken, transport, delivery, caplog):
    server, folder = broken
    sent = task(deliveryMethod=delivery)
    poll = {"taskType": "getResponse", "taskUUID": sent["taskUUID"]}
    if transport == "http":
        _, response = server.call([sent])
    else:
        with connect(server.ws) as ws:
            send(ws, sent)
            response = receive(ws)
    if delivery == "async":
        server.upscaler._runner.wait()
        _, response = server.call([poll])
    [error] = response["errors"]
    assert (error["code"], error["taskUUID"]) == ("internalServerError", sent["taskUUID"])
    assert "the server's log has the reason" in error["message"]
    assert folder not in json.dumps(response)
    assert folder in caplog.text


def test_an_unknown_image_is_an_error_without_the_store(tmp_path):
    with running_server(tmp_path / "secret") as server:
        _, response = server.call([task(inputImage=str(uuid.uuid4()))])
    [error] = response["errors"]
    assert error["code"] == "invalidInputImage"
    assert "there is no image" in error["message"]
    assert str(tmp_path) not in json.dumps(response)


def test_estimates_are_as_discreet(tmp_path, monkeypatch, caplog):
    def fail(*_args, **_options):
        raise StoreError(f"{tmp_path} cannot be written")

    with running_server(tmp_path) as server:
        monkeypatch.setattr(server.upscaler, "estimate", fail)
        status, _, body = server.request("/estimate?width=9&height=9&factor=2")
    assert status == 500
    assert json.loads(body)["errors"][0]["code"] == "internalServerError"
    assert str(tmp_path) not in body.decode()
    assert str(tmp_path) in caplog.text


def test_images_that_cannot_be_read_are_explained_in_the_log(tmp_path, monkeypatch, caplog):
    def fail(*_args):
        raise StoreError(f"{tmp_path} cannot be read")

    with running_server(tmp_path) as server:
        monkeypatch.setattr(server.upscaler.store, "find_file", fail)
        status, _, body = server.request(f"/images/{uuid.uuid4()}.png")
    assert status == 503
    assert str(tmp_path) not in body.decode()
    assert str(tmp_path) in caplog.text
