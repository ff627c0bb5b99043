"""Closes connections that take too long for the headers of a request, which uvicorn does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class HeaderTime:
    """Remembers since when connections wait for headers."""

    def __init__(self, seconds: float) -> None:
        """Takes the seconds that a client has from its connection, or its last response, to the end of headers."""
        self._seconds = seconds
        self._waiting: dict[Any, tuple[object, float]] = {}

    def check(self, connections: Iterable[Any]) -> None:
        """Closes the connections that are late. Call it about once a second.

        Args:
            connections: Protocols of uvicorn. Those of WebSockets have had their headers and are left alone.
        """
        now = time.monotonic()
        waiting: dict[Any, tuple[object, float]] = {}
        for connection in list(connections):
            if not _awaits_headers(connection):
                continue
            last = connection.cycle
            known = self._waiting.get(connection)
            since = known[1] if known is not None and known[0] is last else now
            if now - since > self._seconds:
                connection.transport.abort()
            else:
                waiting[connection] = last, since
        self._waiting = waiting


def _awaits_headers(connection: Any) -> bool:
    if not hasattr(connection, "cycle"):  # a WebSocket
        return False
    last = connection.cycle  # the last request with its response
    # A response is complete for uvicorn before a slow client has taken all of it.
    return last is None or (last.response_complete and not connection.transport.get_write_buffer_size())
