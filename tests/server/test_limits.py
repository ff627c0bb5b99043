"""What clients may send and hold before they are known, and what they may not take from others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.running_server import running_server
from support.server_tasks import KEY, authentication, lazy_client, picture, receive, send, task
from tilewright.server import sessions
from tilewright.server.keys import hash_of
from tilewright.server.sessions import Sessions
from tilewright.server.state import ServerOptions

WITH_KEY = ServerOptions(key_hashes=(hash_of(KEY),))

HEAD = b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n"

ENDLESS = {
    "path": (b"GET /", b"a" * 1000),
    "value of a header": (b"GET / HTTP/1.1\r\nX: ", b"a" * 1000),
    "name of a header": (b"GET / HTTP/1.1\r\n", b"a" * 1000),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: " + b"a" * 995 + b"\r\n"),
    "trailers": (CHUNKED, b"X: " + b"a" * 995 + b"\r\n"),
    "extension of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;", b"a" * 1000),
}


@contextlib.contextmanager
def connection_to(server):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(20)
        yield client


def is_ended(client):
    """Returns whether the server ends a connection."""
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    return True


def close_code_of(ws):
    """Returns the code with which the server closes a connection."""
    with pytest.raises(ConnectionClosed) as closed:
        receive(ws)
    return closed.value.rcvd.code


@pytest.mark.parametrize("part", ENDLESS)
def test_what_is_no_body_is_limited(tmp_path, part, caplog):
    start, more = ENDLESS[part]
    with running_server(tmp_path) as server, connection_to(server) as client:
        caplog.set_level(logging.INFO, "tilewright.server")
        with contextlib.suppress(ConnectionError):
            client.sendall(start + 60 * more)
            time.sleep(0.2)
            for _ in range(100):
                client.sendall(more)
        assert is_ended(client)
        assert server.request("/healthz")[0] == 200
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "tilewright.server"]
    assert {"address": "127.0.0.1", "error": "requestTooLarge"} in lines


def test_bodies_may_be_longer_than_headers(tmp_path):
    large = json.dumps([task(inputImage=picture(200, 200))]).encode()
    assert len(large) > 2**16
    with running_server(tmp_path) as server, connection_to(server) as client:
        client.sendall(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(large), 1000):
            part = large[start : start + 1000]
            client.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        client.sendall(b"0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_announced_websockets_without_end_are_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.slow_connections._HEADER_SECONDS", 1.0)
    upgrade = b"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    with running_server(tmp_path) as server:
        for body in (b"Content-Length: 2\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
            with connection_to(server) as client:
                client.sendall(upgrade + body)
                assert is_ended(client)


def test_connections_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.uvicorn_server._HTTP_CONNECTIONS", 5)
    options = ServerOptions(max_connections=0)
    with running_server(tmp_path, options=options) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connection_to(server)) for _ in range(6)]
        assert is_ended(clients[-1])
        clients[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert clients[0].recv(1000).startswith(b"HTTP/1.1 200")


def test_bodies_without_a_key_have_a_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.body._PATIENCE", 1.0)
    with running_server(tmp_path, options=WITH_KEY) as server, connection_to(server) as client:
        client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                client.sendall(b" ")
                time.sleep(0.1)
        assert b"without a key" in client.recv(10_000)


def test_frames_are_small_until_the_key_is_known(tmp_path):
    large = picture(200, 200)
    with running_server(tmp_path, options=WITH_KEY) as server:
        with connect(server.ws) as unknown:
            unknown.send(json.dumps([{"taskType": "ping", "ping": True, "x": large}]))
            assert close_code_of(unknown) == 1009
        with connect(server.ws) as known:
            send(known, authentication())
            receive(known)
            send(known, task(inputImage=large))
            assert "imageURL" in receive(known)["data"][0]


def test_authentication_has_a_deadline_and_few_attempts(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.websocket._PATIENCE", 1.5)
    with running_server(tmp_path, options=WITH_KEY) as server:
        with connect(server.ws) as guesser:
            for number in range(5):
                send(guesser, authentication(f"wrong key {number}"))
                assert receive(guesser)["errors"][0]["code"] == "invalidApiKey"
            assert close_code_of(guesser) == 1008
        with connect(server.ws) as idle:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(50):
                    send(idle, {"taskType": "ping", "ping": True})
                    receive(idle)
                    time.sleep(0.1)
            assert close_code_of(idle) == 1008


def test_a_client_that_takes_nothing_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.slow_connections._READING_SECONDS", 1.5)
    large = {"inputImage": picture(200, 200), "upscaleFactor": 4, "outputType": "base64Data", "outputFormat": "PNG"}
    with running_server(tmp_path) as server, lazy_client(server) as lazy:
        send(lazy, *(task(**large) for _ in range(8)))
        state = server.state
        deadline = time.monotonic() + 60
        while not state.connections:
            time.sleep(0.01)
        while state.connections:
            assert time.monotonic() < deadline, "it is still connected"
            time.sleep(0.1)


def test_frames_count_as_memory_until_their_tasks_are_finished(tmp_path):
    options = ServerOptions(max_memory_bytes=100_000)
    large = picture(150, 150)
    assert len(large) < 100_000 < 2 * len(large)
    with running_server(tmp_path, options=options) as server, connect(server.ws) as ws:
        with server.upscaler._networks.exclusive():
            send(ws, task(inputImage=large))
            while server.state.body_bytes < len(large):
                time.sleep(0.01)

            def unfinished():
                yield large
                time.sleep(1)  # it is refused by then
                yield large

            with contextlib.suppress(ConnectionClosed):
                ws.send(unfinished())
            assert close_code_of(ws) == 1013
        while server.state.body_bytes:  # a test that hangs here has found a leak
            time.sleep(0.01)
        assert server.call([task(inputImage=large)])[0] == 200


async def received_by(session, expected):
    """Returns what a new connection of a session gets, and what sends it."""
    received = []

    async def take(frame):
        received.append(frame)

    sending = session.start_sending(take)
    while len(received) < expected:
        await asyncio.sleep(0)
    return received, sending


def test_frames_that_may_not_have_arrived_are_sent_again():
    async def scenario():
        session = Sessions().open("a")
        session.deliver("first")
        first, sending = await received_by(session, 1)
        session.deliver("second")
        second, _ = await received_by(session, 2)
        await asyncio.sleep(0.01)
        assert sending.cancelled(), "an earlier connection gets nothing more"
        return first, second

    assert asyncio.run(scenario()) == (["first"], ["first", "second"])


def test_frames_are_sent_again_only_if_they_are_recent_and_few(monkeypatch):
    async def scenario():
        session = Sessions().open("a")
        for frame in ("old", "x" * 50, "new"):
            session.deliver(frame)
        await received_by(session, 3)
        again, _ = await received_by(session, 1)
        return again

    monkeypatch.setattr(sessions, "_MOST_RECENT", 10)
    assert asyncio.run(scenario()) == ["new"]


def test_a_client_that_authenticates_again_keeps_its_session(tmp_path):
    with running_server(tmp_path, options=WITH_KEY) as server, connect(server.ws) as ws:
        found = set()
        for _ in range(3):
            send(ws, authentication())
            found.add(receive(ws)["data"][0]["connectionSessionUUID"])
        assert len(found) == 1
