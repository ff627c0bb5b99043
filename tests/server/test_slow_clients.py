"""Clients that read or send slowly, and the server's stop while they are connected."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.sync.client import connect

from support.running_server import running_server
from support.server_tasks import lazy_client, picture, receive, send, task


def test_what_was_accepted_is_finished_before_the_server_stops(tmp_path):
    slow = task(inputImage=picture(300, 200), upscaleFactor=4)
    answers = []
    with running_server(tmp_path) as server:
        server.call([task()])  # opens the network
        caller = threading.Thread(target=lambda: answers.append(server.call([slow])))
        caller.start()
        time.sleep(0.05)
    caller.join()
    [(status, response)] = answers
    assert (status, response["data"][0]["taskUUID"]) == (200, slow["taskUUID"])
    assert [path for path in tmp_path.iterdir() if path.suffix == ".partial"] == []


def test_a_client_that_does_not_read_holds_up_nobody(tmp_path):
    """Its results wait in its session, and its turn is free."""
    with running_server(tmp_path) as server, lazy_client(server) as lazy:
        large = {"inputImage": picture(100, 80), "upscaleFactor": 4, "outputType": "base64Data", "outputFormat": "PNG"}
        for _ in range(12):  # more than run at the same time
            send(lazy, task(**large))
        with connect(server.ws) as other:
            send(other, task())
            assert "data" in receive(other)
        assert {receive(lazy)["data"][0]["taskType"] for _ in range(12)} == {"imageUpscale"}


def test_calls_of_a_client_that_does_not_read_pause_and_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.sessions._ENOUGH_BYTES", 1_000_000)
    monkeypatch.setattr("tilewright.server.sessions._MOST_KEPT_BYTES", 2_000_000)
    large = {"inputImage": picture(120, 90), "upscaleFactor": 4, "outputType": "base64Data", "outputFormat": "PNG"}
    with running_server(tmp_path) as server, lazy_client(server) as lazy:
        tasks = [task(**large) for _ in range(40)]  # more than the buffers of the system hold
        send(lazy, *tasks)
        before = -1
        while before < (upscaled := server.upscaler.totals.pictures) or not upscaled:
            before = upscaled
            time.sleep(0.7)
        assert upscaled < 36, "the call must have paused"
        assert server.call([task()])[0] == 200, "it must have given up its turn"
        received = [receive(lazy)["data"][0]["taskUUID"] for _ in tasks]
        assert sorted(received) == sorted(each["taskUUID"] for each in tasks)


def test_results_are_delivered_before_connections_close(tmp_path):
    with contextlib.ExitStack() as later:
        with running_server(tmp_path) as server:
            server.call([task()])  # opens the network
            ws = later.enter_context(connect(server.ws))
            slow = task(inputImage=picture(300, 200), upscaleFactor=4)
            send(ws, slow)
            time.sleep(0.1)
        assert receive(ws)["data"][0]["taskUUID"] == slow["taskUUID"]


def test_a_client_that_sends_half_a_request_does_not_hold_up_the_stop(tmp_path):
    with contextlib.ExitStack() as stack:
        with running_server(tmp_path) as server:
            half = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            half.sendall(b"POST /v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n[{}")
            time.sleep(0.1)
        with contextlib.suppress(ConnectionResetError):
            assert half.recv(1000) == b""


def test_a_client_that_leaves_in_the_middle_of_a_request_is_no_failure_of_the_server(tmp_path, caplog):
    with running_server(tmp_path) as server:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"POST /v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n[{}")
                time.sleep(0.1)
        assert server.request("/healthz")[0] == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_slow_headers_are_cut_off_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.slow_connections._HEADER_SECONDS", 1.5)
    with running_server(tmp_path) as server, contextlib.ExitStack() as stack:

        def slow_client(start):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.settimeout(20)
            client.sendall(start)
            return client

        whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        late = [slow_client(b""), slow_client(b"GET /healthz HTT"), slow_client(whole + b"GET /he")]
        slow_body = slow_client(b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n[")
        with connect(server.ws) as ws:
            for client in late:
                with contextlib.suppress(ConnectionResetError):
                    while client.recv(1000):
                        pass
            send(ws, {"taskType": "ping", "ping": True})
            assert receive(ws)["data"][0]["pong"] is True
        slow_body.sendall(b"]")
        assert slow_body.recv(1000).startswith(b"HTTP/1.1 200")


def test_slow_bodies_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.server.body._PATIENCE", 0.5)
    with running_server(tmp_path) as server, socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.settimeout(20)
        slow.sendall(b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n[")
        answer = slow.recv(10_000)
        while b"no part of the request came for 0.5 seconds" not in answer:
            part = slow.recv(10_000)
            assert part, "it is closed without the reason"
            answer += part
        assert answer.startswith(b"HTTP/1.1 400")
