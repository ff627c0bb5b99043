"""An uvicorn server that finishes what was accepted before it closes connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket

    from tilewright.server.state import ServerState

# Seconds for connections to close, once nothing that was accepted is left.
_GRACE = 5.0


class PatientServer(uvicorn.Server):
    """Stops in three steps: refuse new calls, finish the others and deliver their results, close connections.

    uvicorn itself closes WebSocket connections first, and waits without end for a client that has
    sent half a request.
    """

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        """Takes the state of the application that the server runs."""
        super().__init__(config)
        self._state = state

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
