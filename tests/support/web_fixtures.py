"""Fixtures: a web server, DNS answers, and a record of connections."""

from __future__ import annotations

import socket

import pytest

from support.http_server import Names, serving


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def names(monkeypatch):
    """Replaces DNS by the answers that the test puts into this dictionary."""
    names = Names()
    original = socket.getaddrinfo

    def getaddrinfo(host, port, **options):
        return [entry for address in names.answer(host) for entry in original(address, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def connections(monkeypatch):
    """Records the socket addresses that are connected to, and refuses all but loopback."""
    made = []
    original = socket.socket.connect

    def connect(self, address):
        made.append(address[:2])
        if address[0] not in ("127.0.0.1", "::1"):
            raise ConnectionRefusedError(111, "Connection refused")
        return original(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return made
