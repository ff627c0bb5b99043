"""An uvicorn server that does not wait for slow headers, and finishes what was accepted before it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvicorn

from tilewright.server.header_time import HeaderTime

if TYPE_CHECKING:
    import socket

    from tilewright.server.state import ServerState

# Seconds for connections to close, once nothing that was accepted is left.
_GRACE = 5.0

# Seconds for the headers of a request.
_HEADER_SECONDS = 30.0

# Ticks of uvicorn's loop, of which there are ten a second, between two looks at connections.
_TICKS = 10


class PatientServer(uvicorn.Server):
    """Stops in three steps: refuse new calls, finish the others and deliver their results, close connections.

    uvicorn itself closes WebSocket connections first, and waits without end for a client that has
    sent half a request.
    """

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        """Takes the state of the application that the server runs."""
        super().__init__(config)
        self._state = state
        self._header_time = HeaderTime(_HEADER_SECONDS)

    async def on_tick(self, counter: int) -> bool:
        """See `uvicorn.Server.on_tick`."""
        if counter % _TICKS == 0:
            self._header_time.check(self.server_state.connections)
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
