"""The WebSocket ``/v1``: tasks in, one frame for each finished task out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.websockets import WebSocketDisconnect

from tilewright.errors import TilewrightError
from tilewright.server.answers import failure, serialised
from tilewright.server.body import parse_tasks
from tilewright.server.calls import in_thread_if_large
from tilewright.server.keys import ANONYMOUS
from tilewright.server.wire import AUTHENTICATION, PING, invalid_key
from tilewright.service.responses import envelope, error_items

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from tilewright.server.sessions import Session
    from tilewright.server.state import ServerState

_log = logging.getLogger("tilewright")

# Close codes of RFC 6455 and of the registry of WebSocket close codes.
_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013


async def serve_socket(socket: WebSocket) -> None:
    """Serves one connection until it ends. Tasks that were accepted are finished in any case."""
    state: ServerState = socket.app.state.server
    if not _is_allowed_origin(socket, state.options.allowed_origins):
        await socket.close(_POLICY_VIOLATION)
        return
    if state.connections >= state.options.max_connections:
        await socket.close(_TRY_AGAIN_LATER)
        return
    await socket.accept()
    state.connections += 1
    try:
        await _Connection(socket, state).serve()
    finally:
        state.connections -= 1


def _is_allowed_origin(socket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """Whether a page may connect: one of this server, or of an allowed origin. Programs send no origin."""
    origin = socket.headers.get("origin")
    if origin is None or "*" in allowed or origin in allowed:
        return True
    return urlsplit(origin).netloc == socket.headers.get("host")


class _Connection:
    """One connection, and the session that it belongs to."""

    def __init__(self, socket: WebSocket, state: ServerState) -> None:
        self._socket, self._state = socket, state
        self._sending = asyncio.Lock()
        self._session: Session | None = None
        self._sender: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        if not self._state.keys.are_needed:
            self._join(self._state.sessions.open(ANONYMOUS))
        try:
            while True:
                await self._receive(await self._socket.receive_text())
        except (WebSocketDisconnect, KeyError, RuntimeError):
            # KeyError: a binary frame. RuntimeError: the connection was closed while a frame was sent.
            pass
        finally:
            self._leave()

    def _join(self, session: Session) -> None:
        self._leave()
        self._session = session
        self._sender = asyncio.create_task(session.send_frames(self._send))
        # Its exception, for a lost connection, is of no interest.
        self._sender.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _leave(self) -> None:
        if self._sender is not None:
            self._sender.cancel()

    async def _send(self, frame: str) -> None:
        async with self._sending:
            await self._socket.send_text(frame)

    async def _receive(self, frame: str) -> None:
        try:
            tasks = await parse_tasks(frame)
        except TilewrightError as error:
            await self._answer(failure(error))
            return
        if not tasks:
            await self._answer(envelope([]))
        work = []
        for task in tasks:
            match task.get("taskType"):
                case str(kind) if kind == AUTHENTICATION:
                    await self._authenticate(task)
                case str(kind) if kind == PING:
                    await self._answer(envelope([{"taskType": PING, "pong": True}]))
                case _:
                    work.append(task)
        if not work:
            return
        if self._session is None:
            for task in work:
                await self._answer(envelope([], error_items(invalid_key(), task)))
            return
        self._state.spawn(_run(work, self._session, self._state))

    async def _authenticate(self, task: dict[str, Any]) -> None:
        key = task.get("apiKey")
        client = self._state.keys.client(key if isinstance(key, str) else None)
        if client is None:
            await self._answer(failure(invalid_key(), {"taskType": AUTHENTICATION}))
            return
        session = self._state.sessions.open(client, task.get("connectionSessionUUID"))
        await self._answer(envelope([{"taskType": AUTHENTICATION, "connectionSessionUUID": session.uuid}]))
        self._join(session)

    async def _answer(self, response: dict[str, Any]) -> None:
        await self._send(serialised(response).decode())


async def _run(tasks: list[dict[str, Any]], session: Session, state: ServerState) -> None:
    """Runs tasks and delivers each result, to whichever connection the client has by then."""
    unanswered = list(tasks)
    try:
        async for response in state.calls.stream(tasks, session.client):
            # A list, as a taskUUID may be anything.
            answered = [item.get("taskUUID") for item in (*response["data"], *response.get("errors", ()))]
            unanswered = [task for task in unanswered if task.get("taskUUID") not in answered]
            session.deliver((await in_thread_if_large(serialised, response)).decode())
    except Exception as error:  # nobody may be left without an answer
        if not isinstance(error, TilewrightError):
            _log.exception("a call failed")
        for task in unanswered:
            session.deliver(serialised(envelope([], error_items(error, task))).decode())
