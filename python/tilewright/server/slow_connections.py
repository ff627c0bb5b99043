"""Ends connections of clients that are too slow, which uvicorn does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# Seconds from a connection, or its last response, to the end of a request's headers.
_HEADER_SECONDS = 30.0

# Seconds in which a client must take something of what is sent to it.
_READING_SECONDS = 60.0


class SlowConnections:
    """Remembers since when connections wait for their clients."""

    def __init__(self) -> None:
        """Starts without connections."""
        # What each connection waits for, and since when.
        self._headers: dict[Any, tuple[object, float]] = {}
        self._readers: dict[Any, tuple[int, float]] = {}

    def end(self, connections: Iterable[Any]) -> None:
        """Ends the connections that have waited for too long. Call it about once a second.

        Args:
            connections: Protocols of uvicorn.
        """
        now = time.monotonic()
        headers: dict[Any, tuple[object, float]] = {}
        readers: dict[Any, tuple[int, float]] = {}
        for connection in list(connections):
            unsent = connection.transport.get_write_buffer_size()
            if unsent:
                before, since = self._readers.get(connection, (unsent + 1, now))
                readers[connection] = unsent, since if unsent >= before else now
                is_late = now - readers[connection][1] > _READING_SECONDS
            elif _awaits_headers(connection):
                last = getattr(connection, "cycle", None)
                known = self._headers.get(connection)
                headers[connection] = last, known[1] if known is not None and known[0] is last else now
                is_late = now - headers[connection][1] > _HEADER_SECONDS
            else:
                is_late = False
            if is_late:
                connection.transport.abort()
        self._headers, self._readers = headers, readers


def _awaits_headers(connection: Any) -> bool:
    if not hasattr(connection, "cycle"):  # a WebSocket, or what was announced as one
        return not connection.handshake_complete
    last = connection.cycle  # the last request with its response
    return last is None or last.response_complete
