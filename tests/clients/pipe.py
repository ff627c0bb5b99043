"""Connects a client to the tests by a pipe instead of the network. Attempts to reach a host are refused and reported.

The other end is ``tests/support/served_client.py``. Each line is a JSON value. For a call ``{"call": name, …}`` the
client writes ``{"sent": tasks}`` for each of its messages and reads an envelope as the response. At the end it writes
``{"returned": …}`` or ``{"raised": …}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from contextlib import asynccontextmanager
from types import SimpleNamespace

from websockets.protocol import State

# Seconds for one call. A client that does not recognise the response would wait for minutes.
_LONGEST_CALL = 30
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")

_out, sys.stdout = sys.stdout, sys.stderr  # keeps what a client prints out of the pipe
_reached: list[str] = []


def serve(perform):
    """Makes the calls that it reads, until the pipe is closed.

    Args:
        perform: A coroutine function that takes a call and its arguments, and returns what the client returned or
            raised.
    """
    sys.addaudithook(_refuse_network)
    for line in sys.stdin:
        _reached.clear()
        try:
            outcome = asyncio.run(asyncio.wait_for(perform(**json.loads(line)), _LONGEST_CALL))
        except Exception as error:  # other than the client's exception for errors of the service
            outcome = {"raised": {"kind": type(error).__name__, "message": str(error)}}
        _write({**outcome, "reached": _reached})


class MemorySocket:
    """Replaces a ``websockets`` connection, as far as the clients use it. It answers sign-in and pings itself."""

    def __init__(self):
        self.state = State.OPEN
        self._frames = asyncio.Queue()

    async def send(self, text):
        tasks = json.loads(text)
        match tasks:
            case [{"taskType": "authentication"}]:
                reply = {"data": [{"taskType": "authentication", "connectionSessionUUID": str(uuid.uuid4())}]}
            case [{"taskType": "ping"}]:
                reply = {"data": [{"taskType": "ping", "pong": True}]}
            case _:
                reply = _answered(tasks)
        self._frames.put_nowait(json.dumps(reply))

    async def recv(self):
        return await self._frames.get()

    async def __aiter__(self):
        while True:
            yield await self.recv()

    async def close(self):
        self.state = State.CLOSED


class MemorySession:
    """Replaces an ``aiohttp`` session, as far as a client uses it to post tasks."""

    closed = False

    @asynccontextmanager
    async def post(self, _url, *, json, **_):
        async def answer():
            return _answered(json)

        yield SimpleNamespace(ok=True, status=200, json=answer)


def _answered(tasks):
    _write({"sent": tasks})
    return json.loads(sys.stdin.readline())


def _write(message):
    print(json.dumps(message), file=_out, flush=True)


def _refuse_network(event, arguments):
    if event in _NETWORK:
        _reached.append(f"{event} {arguments[-1] if event == 'socket.connect' else arguments[0]}")
        raise ConnectionRefusedError(f"{event} is not available in tests")
