"""Sessions of WebSocket clients, which survive a dropped connection.

Frames that cannot be delivered are kept, and delivered when the client connects again with its
``connectionSessionUUID``, as the service does: for 120 seconds.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEPT_SECONDS = 120.0
"""How long frames of a session without a connection are kept."""

# Frames of more than this in total are dropped, oldest first. Their results stay in the store.
_MOST_KEPT_BYTES = 64 * 2**20

# Sessions without a connection that are kept.
_MOST_SESSIONS = 10_000


class Session:
    """The frames for one client, whichever connection it has now.

    Attributes:
        uuid: The ``connectionSessionUUID``.
        client: Name of the client that opened it. Another client cannot take it over.
    """

    def __init__(self, client: str) -> None:
        self.uuid = str(uuid.uuid4())
        self.client = client
        self._send: Callable[[str], Awaitable[None]] | None = None
        self._kept: deque[str] = deque()
        self._kept_bytes = 0
        self._left = time.monotonic()

    @property
    def is_expired(self) -> bool:
        """Whether it has been without a connection for too long."""
        return self._send is None and time.monotonic() - self._left > KEPT_SECONDS

    async def connect(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Takes a new connection and delivers the frames that were kept.

        Args:
            send: Sends one text frame. It raises if the connection is lost.
        """
        self._send = send
        while self._kept and self._send is send:
            frame = self._kept.popleft()
            self._kept_bytes -= len(frame)
            await self.deliver(frame)

    def disconnect(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Forgets a connection, unless a newer one has taken its place."""
        if self._send is send:
            self._send, self._left = None, time.monotonic()

    async def deliver(self, frame: str) -> None:
        """Sends a frame, or keeps it until the client connects again."""
        send = self._send
        if send is not None:
            try:
                await send(frame)
            except Exception:  # servers raise all kinds of exceptions for a lost connection
                self.disconnect(send)
            else:
                return
        self._kept.append(frame)
        self._kept_bytes += len(frame)
        while self._kept_bytes > _MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft())


class Sessions:
    """All sessions, by their UUID."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def open(self, client: str, session_uuid: object = None) -> Session:
        """Returns the client's session of a UUID if it still exists, else a new one."""
        self._forget_expired()
        found = self._sessions.get(session_uuid) if isinstance(session_uuid, str) else None
        if found is not None and found.client == client:
            return found
        session = Session(client)
        self._sessions[session.uuid] = session
        return session

    def _forget_expired(self) -> None:
        for key in [key for key, session in self._sessions.items() if session.is_expired]:
            del self._sessions[key]
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
