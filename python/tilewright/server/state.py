"""What the parts of a running server share."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilewright.server.names import is_loopback, names_of_this_machine, origin_of
from tilewright.server.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from tilewright.server.calls import Calls
    from tilewright.server.keys import ApiKeys
    from tilewright.settings import Settings


# Seconds for clients to take their results when the server stops.
_DELIVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Options of the server.

    Attributes:
        key_hashes: SHA-256 of each API key, see `tilewright.server.keys.hash_of`. Empty if no key is
            needed.
        max_body_bytes: Largest body of a call, and largest WebSocket frame.
        max_memory_bytes: Bodies of all calls that are being read or run, together.
        max_waiting_calls: Calls that may wait for their turn.
        max_connections: WebSocket connections at the same time.
        allowed_hosts: Names by which clients may call the server; empty for any. Without keys, a page
            whose name leads to this machine could call it otherwise.
        allowed_origins: Origins of pages on other servers that may call this one; ``"*"`` for all.
        public_origin: Origin of the server's own page, where clients reach it by another name than the
            one that it is called by; None if they do not.
    """

    key_hashes: tuple[str, ...] = ()
    max_body_bytes: int = 2**28
    max_memory_bytes: int = 2**30
    max_waiting_calls: int = 1000
    max_connections: int = 1000
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    public_origin: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings, *, host: str = "localhost") -> ServerOptions:
        """Returns the options that the settings give.

        Args:
            settings: The settings. Without keys, the server answers to names of this machine and of its
                public URL only.
            host: The address that the server listens on. If others than this machine can reach it, it
                answers to any name.
        """
        public_url = settings.store_public_url
        is_private = not settings.api_key_hashes and is_loopback(host)
        return cls(
            key_hashes=settings.api_key_hashes,
            max_body_bytes=settings.max_body_bytes,
            max_memory_bytes=settings.max_bodies_bytes,
            max_waiting_calls=settings.max_waiting_calls,
            max_connections=settings.max_connections,
            allowed_hosts=names_of_this_machine(host, public_url) if is_private else (),
            allowed_origins=settings.allowed_origins,
            public_origin=origin_of(public_url or ""),
        )


@dataclass(slots=True)
class ServerState:
    """State of one server process.

    Attributes:
        options: The server's options.
        keys: API keys.
        calls: The calls that run.
        sessions: Sessions of WebSocket clients.
        connections: Number of open WebSocket connections.
        body_bytes: Bytes of the bodies that are in memory.
        is_ready: Whether the default network is open.
    """

    options: ServerOptions
    keys: ApiKeys
    calls: Calls
    sessions: Sessions = field(default_factory=Sessions)
    connections: int = 0
    body_bytes: int = 0
    is_ready: bool = False
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def has_memory(self) -> bool:
        """Whether the bodies in memory are within their limit."""
        return self.body_bytes <= self.options.max_memory_bytes

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work that outlives its connection."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def finish(self) -> None:
        """Accepts nothing more, finishes what was accepted, and delivers it as far as clients take it."""
        self.calls.stop_accepting()
        await self.calls.finished()
        while self._running:
            await asyncio.wait(self._running)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.sessions.delivered(), _DELIVERY_SECONDS)

    async def close(self) -> None:
        """Finishes what was accepted, asynchronous tasks included, and closes the networks."""
        await self.finish()
        await asyncio.to_thread(self.calls.upscaler.close)
