"""A client's calls come in by a pipe, and what it sends goes out by it: no host is reached, and any attempt is told.

The other end is ``test_clients.py``. One JSON value a line: in ``{"call": name, …}``; out ``{"sent": tasks}`` for each
message of the client, which is answered by an envelope; last ``{"returned": …}`` or ``{"raised": …}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from contextlib import asynccontextmanager
from types import SimpleNamespace

from websockets.protocol import State

# Seconds for one call. A client that does not recognise its answer would wait for minutes.
_LONGEST_CALL = 30
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")

_out, sys.stdout = sys.stdout, sys.stderr  # what a client prints must not get between
_reached: list[str] = []


def serve(perform):
    """Makes calls until there are no more.

    Args:
        perform: a coroutine function of a call and its arguments, which gives what was returned or raised.
    """
    sys.addaudithook(_refuse_network)
    for line in sys.stdin:
        _reached.clear()
        try:
            outcome = asyncio.run(asyncio.wait_for(perform(**json.loads(line)), _LONGEST_CALL))
        except Exception as error:  # not the one that the client has for errors of the service
            outcome = {"raised": {"kind": type(error).__name__, "message": str(error)}}
        _write({**outcome, "reached": _reached})


class MemorySocket:
    """As much of a ``websockets`` connection as the clients use. Sign-in and pings, which are no tasks, end here."""

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
    """As much of an ``aiohttp`` session as a client uses to post tasks."""

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
        raise ConnectionRefusedError(f"{event} is not for tests")
