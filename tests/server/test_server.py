"""The server over sockets of this machine: keys, limits, images, sessions."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import re
import socket
import struct
import time
import uuid
import zlib

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.running_server import running_server
from support.server_tasks import KEY, authentication, picture, receive, send, task
from tilewright.server.keys import ApiKeys, hash_of
from tilewright.server.state import ServerOptions

UNKNOWN = "f9a87352-fdd0-41b4-95b6-5ba00bc09bd4"
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server without keys."""
    options = ServerOptions(max_body_bytes=200_000, allowed_origins=("https://app.example.org",))
    with running_server(tmp_path_factory.mktemp("store"), options=options) as server:
        yield server


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A server with a key."""
    with running_server(tmp_path_factory.mktemp("store"), options=ServerOptions(key_hashes=(hash_of(KEY),))) as server:
        yield server


def test_key_is_needed_by_header_or_first_task(locked):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"Authorization": "Basic " + KEY}):
        status, response = locked.call([task()], headers=headers)
        error = response["errors"][0]
        assert (status, error["code"], error["parameter"]) == (401, "invalidApiKey", "apiKey")
        assert KEY not in json.dumps(response)
    assert locked.call([task()], headers=BEARER)[0] == 200
    status, response = locked.call([authentication(), task()])
    assert (status, len(response["data"])) == (200, 1)
    assert locked.call([authentication("wrong"), task()])[0] == 401


def test_refusals_are_logged_with_the_address_and_without_the_key(locked, caplog):
    with caplog.at_level("INFO", "tilewright.server"):
        locked.call([task()], headers={"Authorization": "Bearer guessed"})
        locked.call([task()], headers={**BEARER, "Origin": "https://evil.example.org"})
        with connect(locked.ws) as ws:
            for tasks in ([authentication("guessed")], [task()], [3]):
                send(ws, *tasks)
                receive(ws)
        with pytest.raises(InvalidStatus):
            connect(locked.ws, origin="https://evil.example.org")
    refusals = [json.loads(each.getMessage()) for each in caplog.records if each.name == "tilewright.server"]
    codes = ["invalidApiKey", "forbiddenOrigin", "invalidApiKey", "invalidApiKey", "invalidRequest", "forbiddenOrigin"]
    assert refusals == [{"address": "127.0.0.1", "error": code} for code in codes]


def test_values_of_clients_cannot_forge_lines_of_the_log(server, caplog):
    forged = '\n{"client": "forged"}'
    with caplog.at_level("INFO", "tilewright.server"):
        server.call([task(taskUUID=forged), {"taskType": forged, "taskUUID": UNKNOWN}])
    lines = [json.loads(each.getMessage()) for each in caplog.records if each.name == "tilewright.server"]
    assert len(lines) == 2
    assert all("forged" not in json.dumps(line) for line in lines)


def test_wrong_key_is_refused_before_the_body_is_read(locked):
    with socket.create_connection(("127.0.0.1", locked.port)) as connection:
        head = b"POST /v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 100000000\r\n\r\n"
        connection.sendall(head)
        assert b"401" in connection.recv(1000).split(b"\r\n")[0]


def test_keys_are_kept_as_hashes_and_clients_told_apart():
    keys = ApiKeys([hash_of("one"), hash_of("two")])
    assert keys.client("one") == hash_of("one")[:8] != keys.client("two")
    assert [keys.client(key) for key in (None, "", "three", hash_of("one"))] == [None] * 4
    assert ApiKeys().client(None) == ApiKeys().client("anything")


def test_body_over_the_limit_is_refused(server):
    status, response = server.call([task(inputImage="A" * 300_000)])
    assert (status, response["errors"][0]["code"]) == (413, "requestTooLarge")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:  # without a length
        connection.sendall(b"POST /v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(20):
                connection.sendall(b"4000\r\n" + b"A" * 0x4000 + b"\r\n")
        assert b"413" in connection.recv(1000).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "path",
    ["/images/", "/images/x.png", "/images/..%2f..%2fetc%2fpasswd", "/images/../../etc/passwd",
     f"/images/{UNKNOWN}.png", f"/images/{UNKNOWN}", "/images/temporary-x.png", "/v2", "/page.html"],
)  # fmt: skip
def test_other_paths_are_not_found(server, path):
    status, _, body = server.request(path)
    assert status == 404
    assert b"root:" not in body


def test_health_and_readiness(server):
    assert server.request("/healthz")[::2] == (200, b"ok\n")
    deadline = time.monotonic() + 60
    while server.request("/readyz")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_is_being_stopped_is_not_ready(tmp_path):
    with running_server(tmp_path) as server:
        while server.request("/readyz")[0] != 200:
            time.sleep(0.01)
        server.state.calls.stop_accepting()
        assert (server.request("/readyz")[0], server.request("/healthz")[0]) == (503, 200)


def test_websocket_answers_ping_and_authentication(locked):
    with connect(locked.ws) as ws:
        send(ws, {"taskType": "ping", "ping": True})
        assert receive(ws) == {"data": [{"taskType": "ping", "pong": True}]}
        early = task()
        send(ws, early)
        error = receive(ws)["errors"][0]
        assert (error["code"], error["taskUUID"]) == ("invalidApiKey", early["taskUUID"])
        send(ws, authentication("wrong"))
        error = receive(ws)["errors"][0]
        assert (error["code"], error["taskType"]) == ("invalidApiKey", "authentication")
        send(ws, authentication())
        [item] = receive(ws)["data"]
        assert item["taskType"] == "authentication"
        assert uuid.UUID(item["connectionSessionUUID"])


def test_one_frame_for_each_task_as_it_finishes(server):
    with connect(server.ws) as ws:
        slow, bad = task(inputImage=picture(200, 150), upscaleFactor=4), task(upscaleFactor=9)
        send(ws, slow, bad)
        send(ws, {"taskType": "ping", "ping": True})
        frames = [receive(ws) for _ in range(3)]
    items = [(frame.get("errors") or frame["data"])[0] for frame in frames]
    kinds = [item.get("taskUUID") for item in items]
    assert kinds.index(slow["taskUUID"]) == 2
    assert set(kinds) == {slow["taskUUID"], bad["taskUUID"], None}


def test_results_of_a_dropped_connection_come_after_reconnection(locked):
    lost = task(inputImage=picture(200, 150), upscaleFactor=4)
    with connect(locked.ws) as ws:
        send(ws, authentication())
        session = receive(ws)["data"][0]["connectionSessionUUID"]
        send(ws, lost)
    time.sleep(0.1)
    with connect(locked.ws) as ws:
        send(ws, authentication(connectionSessionUUID=session))
        assert receive(ws)["data"][0]["connectionSessionUUID"] == session
        [item] = receive(ws)["data"]
        assert item["taskUUID"] == lost["taskUUID"]
        assert locked.request(item["imageURL"].removeprefix(locked.http))[0] == 200


def test_a_session_of_another_client_cannot_be_taken_over(tmp_path):
    options = ServerOptions(key_hashes=(hash_of("one"), hash_of("two")))
    with running_server(tmp_path, options=options) as server, connect(server.ws) as first, connect(server.ws) as second:
        send(first, authentication("one"))
        session = receive(first)["data"][0]["connectionSessionUUID"]
        send(second, authentication("two", connectionSessionUUID=session))
        assert receive(second)["data"][0]["connectionSessionUUID"] != session


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [(None, True), ("https://app.example.org", True), ("https://evil.example.org", False), ("null", False)],
)
def test_pages_of_other_servers_cannot_connect(server, origin, is_allowed):
    if is_allowed:
        with connect(server.ws, origin=origin) as ws:
            send(ws, {"taskType": "ping", "ping": True})
            assert "data" in receive(ws)
        return
    with pytest.raises(InvalidStatus, match="403"), connect(server.ws, origin=origin):
        pass
    _, headers, _ = server.request("/v1", [], headers={"Origin": origin})
    assert headers["Access-Control-Allow-Origin"] is None


def test_own_page_and_allowed_origins_can_connect(server):
    with connect(server.ws, origin=server.http) as ws:
        send(ws, {"taskType": "ping", "ping": True})
        assert "data" in receive(ws)
    _, headers, _ = server.request("/v1", [], headers={"Origin": "https://app.example.org"})
    assert headers["Access-Control-Allow-Origin"] == "https://app.example.org"


def test_too_many_connections_are_refused(tmp_path):
    with (
        running_server(tmp_path, options=ServerOptions(max_connections=1)) as server,
        connect(server.ws),
        pytest.raises(InvalidStatus, match="429"),
        connect(server.ws),
    ):
        pass


def test_garbage_does_not_end_the_server(server):
    bad_length = b"POST /v1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n"
    for garbage in (b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", bad_length, b"\xff"):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(garbage)
    with connect(server.ws) as ws:
        ws.send(b"\x00\x01")
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=60)
    assert server.request("/healthz")[0] == 200


def test_async_tasks_are_acknowledged_and_asked_for(server):
    accepted = task(deliveryMethod="async")
    _, response = server.call([accepted])
    assert response == {"data": [{"taskType": "imageUpscale", "taskUUID": accepted["taskUUID"]}]}
    deadline = time.monotonic() + 60
    while True:
        _, response = server.call([{"taskType": "getResponse", "taskUUID": accepted["taskUUID"]}])
        if response["data"][0]["status"] == "success":
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert response["data"][0]["imageURL"].startswith(server.http)


def test_the_page_loads_nothing_from_elsewhere(server):
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        status, headers, body = server.request(path)
        assert status == 200
        assert headers["Content-Type"].startswith(kind)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert re.findall(rb"(?:https?:)?//[a-z][^\s]*\.[a-z]", body) == []
        assert b" style=" not in body
        assert b" onclick=" not in body


def test_the_page_knows_keys_limits_and_the_networks_that_can_be_used(server, locked):
    facts, of_locked = (json.loads(each.request("/page.json")[2]) for each in (server, locked))
    assert (facts["needsKey"], facts["largestFrame"]) == (False, 200_000)
    assert of_locked["needsKey"]
    networks = {network["name"]: network for network in facts["networks"]}
    assert next(iter(networks)) == "tilewright-photo"
    assert networks["tilewright-photo"]["scales"] == [2, 3, 4]
    assert set(networks["tilewright-photo"]) == {"name", "aliases", "summary", "scales", "licence"}


def test_large_requests_share_a_limit(tmp_path):
    options = ServerOptions(max_memory_bytes=100_000)
    with running_server(tmp_path, options=options) as server:
        status, headers, body = server.request("/v1", [task(inputImage="A" * 150_000)])
        assert (status, headers["Retry-After"]) == (429, "1")
        assert json.loads(body)["errors"][0]["code"] == "rateLimitExceeded"
        assert server.call([task()])[0] == 200


def test_a_failure_of_the_server_is_an_answer(tmp_path, monkeypatch):
    with running_server(tmp_path) as server, connect(server.ws) as ws:
        monkeypatch.setattr(server.upscaler, "astream", lambda *_, **__: 1 / 0)
        sent = task()
        send(ws, sent)
        error = receive(ws)["errors"][0]
    assert (error["code"], error["taskUUID"]) == ("internalServerError", sent["taskUUID"])


def test_pages_of_other_servers_cannot_send_tasks(server):
    headers = {"Origin": "https://evil.example.org", "Content-Type": "text/plain"}
    status, response = server.call([task()], headers=headers)
    assert (status, response["errors"][0]["code"]) == (403, "forbiddenOrigin")
    assert server.call([task()], headers={"Origin": "http://["})[0] == 403
    assert server.call([task()], headers={"Origin": server.http})[0] == 200


def test_little_is_read_before_the_key_is_known(locked):
    status, response = locked.call([task(inputImage="A" * 100_000)])
    assert (status, response["errors"][0]["code"]) == (413, "requestTooLarge")
    with connect(locked.ws) as ws:
        ws.send(json.dumps([{}] * 100_000))
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(timeout=60)
        assert caught.value.rcvd.code == 1009
    with connect(locked.ws) as ws:
        send(ws, *[task(inputImage="")] * 50)
        assert "errors" in receive(ws)
        send(ws, {"taskType": "ping", "ping": True})
        assert receive(ws) == {"data": [{"taskType": "ping", "pong": True}]}, "one answer for all of them"


def test_json_of_many_small_values_is_not_parsed(locked):
    """As objects it would take a hundred times its length."""
    body = b"[" + b",".join([b"{}"] * 200_000) + b"]"
    status, _, answer = locked.request("/v1", body, headers=BEARER)
    error = json.loads(answer)["errors"][0]
    assert (status, error["code"]) == (400, "invalidRequest")
    assert "250,000 values" in error["message"]


def test_decompression_bombs_are_refused(server):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = zlib.compress(bytes(50_000_001))  # 400 megapixels of one bit, in 50 KB
    header = struct.pack(">IIBBBBB", 400_000_000, 1, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    status, response = server.call([task(inputImage=base64.b64encode(bomb).decode())])
    assert status == 200
    [error] = response["errors"]
    assert error["code"] == "imageTooLarge"


def test_the_garbage_collector_leaves_what_is_loaded_alone(tmp_path):
    """It would stop the event loop while it looks at hundreds of thousands of objects."""
    with running_server(tmp_path) as server:
        while server.request("/readyz")[0] != 200:
            time.sleep(0.01)
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() < 10_000
