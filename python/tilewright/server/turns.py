"""Fair turns: calls wait in one queue for each client, and the queues take turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from tilewright.errors import TilewrightError
from tilewright.service.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """Limits the calls that run at the same time, and lets clients take turns.

    It belongs to one event loop.

    Attributes:
        running: Calls that run.
    """

    def __init__(self, most_running: int, *, most_of_client: int, most_waiting: int) -> None:
        """Starts without calls.

        Args:
            most_running: Calls that run at the same time.
            most_of_client: Calls of one client that run at the same time.
            most_waiting: Calls that may wait, shared by the clients.
        """
        self.running = 0
        self._most_running, self._most_of_client, self._most_waiting = most_running, most_of_client, most_waiting
        self._running_of: Counter[str] = Counter()
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return len(self._queue)

    @contextlib.asynccontextmanager
    async def turn(self, client: str, *, is_accepted: bool = False) -> AsyncIterator[None]:
        """Waits for a turn, and holds it inside the block.

        Args:
            client: Name of the client.
            is_accepted: Whether the call has had a turn before, and must not be refused.

        Raises:
            TilewrightError: Too many calls wait (code ``rateLimitExceeded``).
        """
        if self.running < self._most_running and self._may_run(client):
            self._begin(client)
        else:
            await self._wait(client, is_accepted=is_accepted)
        try:
            yield
        finally:
            self._end(client)

    async def _wait(self, client: str, *, is_accepted: bool) -> None:
        if self._queue.share_is_used(client, self._most_waiting) and not is_accepted:
            raise TilewrightError(
                f"{self.waiting} calls wait already, which is the limit; send this one again later",
                code="rateLimitExceeded",
            )
        ready = asyncio.get_running_loop().create_future()
        self._queue.put(client, ready)
        try:
            await ready
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled():  # its turn came at the same moment
                self._end(client)
            else:
                self._queue.remove(client, ready)
            raise

    def _may_run(self, client: str) -> bool:
        return self._running_of[client] < self._most_of_client

    def _begin(self, client: str) -> None:
        self.running += 1
        self._running_of[client] += 1

    def _end(self, client: str) -> None:
        self.running -= 1
        self._running_of[client] -= 1
        if not self._running_of[client]:
            del self._running_of[client]
        while self.running < self._most_running and (taken := self._queue.take(self._may_run)) is not None:
            client, ready = taken
            self._begin(client)
            ready.set_result(None)
