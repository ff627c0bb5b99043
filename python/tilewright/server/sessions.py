"""Sessions of WebSocket clients, which survive a dropped connection.

Frames wait in their session until they are sent, so that a client that reads slowly holds up nobody
else. Those that could not be sent are kept when the connection is lost, and sent when the client
connects again with its ``connectionSessionUUID``, as the service does: for 120 seconds. Frames that
were on their way then are sent again; clients know results by their taskUUID.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING

from tilewright.service.responses import envelope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tilewright.engine.progress import Progress

KEPT_SECONDS = 120.0
"""How long a session without a connection is kept."""

# Frames of more than this in total are dropped, oldest first, while there is no connection.
# getResponse still answers for their tasks.
_MOST_KEPT_BYTES = 64 * 2**20

# Calls of a client that does not take its frames go on up to this many bytes.
_ENOUGH_BYTES = 16 * 2**20

# Frames that were sent so many seconds ago may not have arrived when a client connects again. They are kept up to so
# many characters for each session.
_RECENT_SECONDS, _MOST_RECENT = 30.0, 2**18

# Frames of all sessions without a connection. Beyond, those of the sessions that lost theirs first are dropped.
_MOST_KEPT_IN_ALL = 256 * 2**20

# Seconds between two searches for sessions that have expired.
_PRUNING_SECONDS = 5.0

# Seconds between two looks at what is left to deliver.
_GLANCE = 0.05

# Sessions that are kept.
_MOST_SESSIONS = 10_000


class Session:
    """The frames for one client, whichever connection it has now.

    Attributes:
        uuid: The ``connectionSessionUUID``.
        client: Name of the client that opened it. Another client cannot take it over.
        wants_progress: Whether the client is told about the progress of its tasks.
    """

    def __init__(self, client: str) -> None:
        """Starts without frames."""
        self.uuid = str(uuid.uuid4())
        self.client = client
        self.wants_progress = False
        self._frames: deque[str] = deque()
        self._recent: deque[tuple[float, str]] = deque()  # when they were sent
        self._recent_bytes = 0
        self._progress: dict[str, str] = {}  # the newest frame of each running task, sent when no other frame waits
        self._bytes = 0
        self._has_frames = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._connections = 0
        self._is_sending = False
        self._sender: asyncio.Task[None] | None = None
        self._left = time.monotonic()

    @property
    def is_expired(self) -> bool:
        """Whether it has been without a connection for too long."""
        return not self._connections and time.monotonic() - self._left > KEPT_SECONDS

    @property
    def lost(self) -> float | None:
        """When it lost its last connection, in seconds (monotonic); None if it has one."""
        return None if self._connections else self._left

    @property
    def kept_bytes(self) -> int:
        """Characters of the frames that wait."""
        return self._bytes

    def drop_frames(self) -> None:
        """Drops all frames that wait. `getResponse` still answers for their tasks."""
        self._frames.clear()
        self._bytes = 0

    @property
    def is_delivering(self) -> bool:
        """Whether there are frames, and a connection that may take them."""
        return bool(self._connections and (self._frames or self._is_sending))

    @property
    def has_room(self) -> bool:
        """Whether further frames are welcome. They always are without a connection, for the next one."""
        return self._has_room.is_set()

    async def room(self) -> None:
        """Returns when further frames are welcome."""
        await self._has_room.wait()

    def deliver(self, frame: str) -> None:
        """Adds a frame. It is sent as soon as there is a connection that takes it."""
        self._frames.append(frame)
        self._bytes += len(frame)
        self._has_frames.set()
        self._update()

    def _update(self) -> None:
        """Drops frames that are too many, and says whether there is room for others."""
        while not self._connections and self._bytes > _MOST_KEPT_BYTES and len(self._frames) > 1:
            self._bytes -= len(self._frames.popleft())
        if self._connections and self._bytes > _ENOUGH_BYTES:
            self._has_room.clear()
        else:
            self._has_room.set()

    def show_progress(self, task_uuid: str, progress: Progress) -> None:
        """Takes the progress of a running task, in place of an earlier one that was not sent yet."""
        if self.wants_progress:
            item = {"taskType": "progress", "taskUUID": task_uuid, "done": progress.done, "total": progress.total}
            self._progress[task_uuid] = json.dumps(envelope([item]))
            self._has_frames.set()

    def hide_progress(self, task_uuid: str) -> None:
        """Drops the progress of a task that was not sent yet."""
        self._progress.pop(task_uuid, None)

    def start_sending(self, send: Callable[[str], Awaitable[None]]) -> asyncio.Task[None]:
        """Sends frames in their order over a new connection, instead of an earlier one.

        Args:
            send: Sends one text frame. It raises if the connection is lost.

        Returns:
            What sends them, until it is cancelled or the connection is lost.
        """
        if self._sender is not None:
            self._sender.cancel()  # the earlier connection may only look alive
        for _, frame in reversed(self._recent_frames()):
            self._frames.appendleft(frame)
            self._bytes += len(frame)
        self._recent.clear()
        self._recent_bytes = 0
        self._sender = asyncio.create_task(self._send_frames(send))
        # Its exception, for a lost connection, is of no interest.
        self._sender.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._sender

    def _recent_frames(self) -> deque[tuple[float, str]]:
        """Forgets what was sent long ago, or is too much, and returns the rest."""
        while self._recent and (
            self._recent_bytes > _MOST_RECENT or time.monotonic() - self._recent[0][0] > _RECENT_SECONDS
        ):
            self._recent_bytes -= len(self._recent.popleft()[1])
        return self._recent

    async def _send_frames(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._connections += 1
        try:
            while True:
                while not self._frames and not self._progress:
                    self._has_frames.clear()
                    await self._has_frames.wait()
                if not self._frames:
                    await send(self._progress.pop(next(iter(self._progress))))
                    continue
                frame = self._frames.popleft()
                self._bytes -= len(frame)
                self._update()
                self._is_sending = True
                try:
                    await send(frame)
                except BaseException:  # it may not have arrived; a client knows results by their taskUUID
                    self._frames.appendleft(frame)
                    self._bytes += len(frame)
                    raise
                finally:
                    self._is_sending = False
                self._recent.append((time.monotonic(), frame))
                self._recent_bytes += len(frame)
                self._recent_frames()
                await asyncio.sleep(0)  # sending waits for nothing while the system takes all
        finally:
            self._connections -= 1
            self._left = time.monotonic()
            self._update()


class Sessions:
    """All sessions, by their UUID."""

    def __init__(self) -> None:
        """Starts without sessions."""
        self._sessions: dict[str, Session] = {}

    def open(self, client: str, session_uuid: object = None) -> Session:
        """Returns the client's session of a UUID if it still exists, else a new one."""
        found = self._sessions.get(session_uuid) if isinstance(session_uuid, str) else None
        if found is not None and found.client == client and not found.is_expired:
            return found
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = Session(client)
        self._sessions[session.uuid] = session
        return session

    async def prune(self) -> None:
        """Drops what is kept for too long, or too much, until it is cancelled."""
        while True:
            await asyncio.sleep(_PRUNING_SECONDS)
            self._prune()

    def _prune(self) -> None:
        for key in [key for key, session in self._sessions.items() if session.is_expired]:
            del self._sessions[key]
        lost = [(session.lost, session) for session in self._sessions.values() if session.lost is not None]
        in_all = sum(session.kept_bytes for _, session in lost)
        for _, session in sorted(lost, key=lambda each: each[0]):
            if in_all <= _MOST_KEPT_IN_ALL:
                break
            in_all -= session.kept_bytes
            session.drop_frames()

    async def delivered(self) -> None:
        """Returns when no session has frames for a connection."""
        while any(session.is_delivering for session in self._sessions.values()):
            await asyncio.sleep(_GLANCE)
