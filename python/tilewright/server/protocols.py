"""uvicorn's protocols, with limits on what clients may send and hold before the application sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from tilewright.server.body import MAX_UNKNOWN_BYTES, too_much_in_memory
from tilewright.server.log import log_refusal_of

if TYPE_CHECKING:
    import asyncio

    from websockets.http11 import Request

    from tilewright.server.state import ServerState

# Bytes of a request line with headers, and of trailers. httptools has no limit, and takes quadratic time.
_MOST_OUTSIDE_BODIES = 2**16

# RFC 6455, section 7.4.1, and the registry of close codes: try again later.
_TRY_AGAIN_LATER = 1013

LARGE_FRAMES = "tilewright.large_frames"
"""ASGI extension of WebSockets: a function that allows frames as large as the bodies of calls."""


class LimitedHttp(HttpToolsProtocol):
    """HTTP/1.1 with limits on the number of connections, and on everything but bodies."""

    state: ClassVar[ServerState]
    most_connections: ClassVar[int]
    _outside_bodies = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            _log_refusal(self, "rateLimitExceeded")
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._outside_bodies += len(data)
        super().data_received(data)
        if self._outside_bodies > _MOST_OUTSIDE_BODIES and not self.transport.is_closing():
            _log_refusal(self, "requestTooLarge")
            self.send_400_response(f"The headers have more than {_MOST_OUTSIDE_BODIES} bytes.")

    def on_body(self, body: bytes) -> None:
        """See `httptools.HttpRequestParser`."""
        self._outside_bodies = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See `httptools.HttpRequestParser`."""
        self._outside_bodies = 0
        super().on_message_complete()


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose frames are small until the application allows larger ones, and counted as memory."""

    state: ClassVar[ServerState]
    _bytes = 0  # of a message that is not complete

    def handle_connect(self, event: Request) -> None:
        """See uvicorn."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self._limit(MAX_UNKNOWN_BYTES)
            self.scope["extensions"][LARGE_FRAMES] = lambda: self._limit(self.state.options.max_body_bytes)  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._count(self._bytes + len(data))
        super().data_received(data)
        if self.state.has_memory or self.transport.is_closing():
            return
        refusal = too_much_in_memory()
        _log_refusal(self, refusal.code)
        self.conn.fail(_TRY_AGAIN_LATER, refusal.message)
        self.handle_parser_exception()

    def send_receive_event_to_app(self) -> None:
        """See uvicorn. From here on, the application counts the message."""
        self._count(0)
        super().send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._count(0)
        super().connection_lost(exc)

    def _limit(self, size: int) -> None:
        self.conn.max_message_size = size

    def _count(self, size: int) -> None:
        self.state.body_bytes += size - self._bytes
        self._bytes = size


def _log_refusal(connection: LimitedHttp | LimitedWebSocket, code: str) -> None:
    log_refusal_of(None if connection.client is None else connection.client[0], code)


def protocols_of(state: ServerState, most_connections: int) -> tuple[type[Any], type[Any]]:
    """Returns the protocols of a server: HTTP and WebSocket."""
    return (
        type("Http", (LimitedHttp,), {"state": state, "most_connections": most_connections}),
        type("WebSocket", (LimitedWebSocket,), {"state": state}),
    )
