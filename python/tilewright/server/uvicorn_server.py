"""uvicorn with limits for its clients, which finishes what was accepted before it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvicorn

from tilewright.server.protocols import protocols_of
from tilewright.server.slow_connections import SlowConnections

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette

    from tilewright.server.state import ServerState

# Seconds between two calls over one connection.
_KEEP_ALIVE_SECONDS = 15

# Seconds for a pong. It cannot come while the client sends a large frame over a slow line.
_PONG_SECONDS = 120

# Seconds for connections to close, once nothing that was accepted is left.
_GRACE = 5.0

# Ticks of uvicorn's loop, of which there are ten a second, between two looks at connections.
_TICKS = 10

# Connections for HTTP beside those of WebSockets, and open files that are kept for tasks.
_HTTP_CONNECTIONS, _OWN_FILES = 3000, 300


class TilewrightServer(uvicorn.Server):
    """Stops in three steps: refuse new calls, finish the others and deliver their results, close connections.

    uvicorn itself closes WebSocket connections first, and waits without end for a client that has
    sent half a request.
    """

    def __init__(self, app: Starlette) -> None:
        """Takes the application that the server runs."""
        self._state: ServerState = app.state.server
        self._slow = SlowConnections()
        options = self._state.options
        http, websocket = protocols_of(
            self._state, min(options.max_connections + _HTTP_CONNECTIONS, _allowed_files() - _OWN_FILES)
        )
        config = uvicorn.Config(
            app,
            http=http,
            ws=websocket,
            log_config=None,
            access_log=False,
            server_header=False,
            ws_max_size=options.max_body_bytes,
            ws_per_message_deflate=False,  # pictures are compressed, and the event loop would wait for it
            ws_ping_timeout=_PONG_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            lifespan="on",
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """See `uvicorn.Server.on_tick`."""
        if counter % _TICKS == 0:
            self._slow.end(self.server_state.connections)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server.shutdown`."""
        await self._state.finish()
        stopping = asyncio.create_task(super().shutdown(sockets))
        _, pending = await asyncio.wait([stopping], timeout=_GRACE)
        if pending:
            for connection in list(self.server_state.connections):
                if (transport := getattr(connection, "transport", None)) is not None:
                    transport.abort()
        await stopping


def _allowed_files() -> int:
    """Lets this process open as many files as the system allows, and returns their number."""
    if resource is None:
        return 2**16
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2**16 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
