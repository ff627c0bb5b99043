"""The WebSocket ``/v1``: tasks in, one frame for each finished task out."""

from __future__ import annotations

import asyncio
import logging
from types import NoneType
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocketDisconnect

from tilewright.errors import TilewrightError, short_repr
from tilewright.server.answers import failed_response, failure, serialised_aside
from tilewright.server.body import parse_tasks, too_much_in_memory
from tilewright.server.log import log_refusal
from tilewright.server.origins import check_origin
from tilewright.server.progress import ProgressRelay
from tilewright.server.protocols import LARGE_FRAMES
from tilewright.server.wire import AUTHENTICATION, PING, invalid_key
from tilewright.service.requests import ANONYMOUS
from tilewright.service.responses import envelope, error_items, serialised

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from tilewright.server.sessions import Session
    from tilewright.server.state import ServerState

_log = logging.getLogger("tilewright")

# Close codes of RFC 6455, section 7.4.1.
_UNSUPPORTED_DATA, _POLICY_VIOLATION = 1003, 1008

# Seconds for authentication, and wrong keys until the connection is closed.
_PATIENCE, _MOST_WRONG_KEYS = 60.0, 5


async def serve_socket(socket: WebSocket) -> None:
    """Serves one connection until it ends. Tasks that were accepted are finished in any case."""
    state: ServerState = socket.app.state.server
    try:
        check_origin(socket.headers, state.options)
        if state.connections >= state.options.max_connections:
            raise TilewrightError("too many connections are open; try again later", code="rateLimitExceeded")
    except TilewrightError as error:
        log_refusal(error, socket)
        await socket.send_denial_response(failed_response(error))
        return
    await socket.accept()
    state.connections += 1
    try:
        await _Connection(socket, state).serve()
    finally:
        state.connections -= 1


class _Connection:
    """One connection, and the session that it belongs to."""

    def __init__(self, socket: WebSocket, state: ServerState) -> None:
        self._socket, self._state = socket, state
        self._sending = asyncio.Lock()
        self._session: Session | None = None
        self._sender: asyncio.Task[None] | None = None
        self._wrong_keys = 0

    async def serve(self) -> None:
        if not self._state.keys.are_needed:
            self._join(self._state.sessions.open(ANONYMOUS))
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        try:
            while self._wrong_keys < _MOST_WRONG_KEYS:
                async with asyncio.timeout_at(None if self._session is not None else deadline):
                    message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                frame = message.get("text")
                if frame is None:
                    await self._socket.close(_UNSUPPORTED_DATA)
                    break
                self._state.body_bytes += len(frame)
                try:
                    await self._receive(frame)
                finally:
                    self._state.body_bytes -= len(frame)
            else:
                await self._socket.close(_POLICY_VIOLATION, "wrong keys")
        except TimeoutError:
            await self._socket.close(_POLICY_VIOLATION, "no authentication")
        except (WebSocketDisconnect, RuntimeError):  # it was closed while a frame was sent
            pass
        finally:
            self._leave()

    def _join(self, session: Session) -> None:
        self._leave()
        self._session = session
        self._sender = session.start_sending(self._send)
        if (allow := self._socket.scope.get("extensions", {}).get(LARGE_FRAMES)) is not None:
            allow()

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
            log_refusal(error, self._socket)
            await self._answer(failure(error))
            return
        if not tasks:
            await self._answer(envelope([]))
        kinds = [task.get("taskType") for task in tasks]
        if AUTHENTICATION in kinds:
            await self._authenticate(tasks[kinds.index(AUTHENTICATION)])
        if PING in kinds:
            await self._answer(envelope([{"taskType": PING, "pong": True}]))
        work = [task for task, kind in zip(tasks, kinds, strict=True) if kind not in (AUTHENTICATION, PING)]
        if not work:
            return
        if self._session is None:  # one answer: before the key is known, little work is done
            log_refusal(refusal := invalid_key(), self._socket)
            await self._answer(envelope([], error_items(refusal, work[0])))
            return
        if self._state.has_memory:
            self._state.spawn(_run(work, self._session, self._state, size=len(frame)))
        else:
            log_refusal(refusal := too_much_in_memory(), self._socket)
            _refuse(work, self._session, refusal)

    async def _authenticate(self, task: dict[str, Any]) -> None:
        key = task.get("apiKey")
        client = self._state.keys.client(key if isinstance(key, str) else None)
        if client is None:
            self._wrong_keys += 1
            log_refusal(refusal := invalid_key(), self._socket)
            await self._answer(failure(refusal, {"taskType": AUTHENTICATION}))
            return
        wants_progress = task.get("reportProgress")
        if not isinstance(wants_progress, (bool, NoneType)):
            message = f"reportProgress must be true or false, not {short_repr(wants_progress)}"
            error = TilewrightError(message, code="invalidRequest", parameter="reportProgress")
            await self._answer(failure(error, {"taskType": AUTHENTICATION}))
            return
        session, wanted = self._session, task.get("connectionSessionUUID")
        if session is None or session.client != client or wanted not in (None, session.uuid):
            session = self._state.sessions.open(client, wanted)
        session.wants_progress = wants_progress is True
        await self._answer(envelope([{"taskType": AUTHENTICATION, "connectionSessionUUID": session.uuid}]))
        if session is not self._session:
            self._join(session)

    async def _answer(self, response: dict[str, Any]) -> None:
        await self._send(serialised(response).decode())


async def _run(tasks: list[dict[str, Any]], session: Session, state: ServerState, *, size: int) -> None:
    """Runs tasks and delivers each result, to whichever connection the client has by then.

    Args:
        tasks: The tasks.
        session: The session that they came in.
        state: The server's state.
        size: Length of their JSON, which counts as memory until they are finished.
    """
    state.body_bytes += size
    progress = ProgressRelay(session) if session.wants_progress else None
    try:
        async for response in state.calls.stream(tasks, session, progress):
            frame = (await serialised_aside(response)).decode()
            if progress is not None:
                progress.forget(response)
            session.deliver(frame)
    except Exception as error:  # the call was refused as a whole; nobody may be left without an answer
        if not isinstance(error, TilewrightError):
            _log.exception("a call failed")
        _refuse(tasks, session, error)
    finally:
        state.body_bytes -= size
        if progress is not None:
            progress.close()


def _refuse(tasks: list[dict[str, Any]], session: Session, error: Exception) -> None:
    for task in tasks:
        session.deliver(serialised(envelope([], error_items(error, task, remote=True))).decode())
