"""Fair turns: calls wait in one queue for each client, and the queues take turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """Limits the calls that run at the same time, and lets clients take turns.

    A client that sends a thousand calls delays the only call of another one by a single call. It
    belongs to one event loop.

    Attributes:
        running: Calls that run.
        waiting: Calls that wait.
    """

    def __init__(self, most_running: int, *, most_waiting: int) -> None:
        """Starts without calls.

        Args:
            most_running: Calls that run at the same time.
            most_waiting: Calls that may wait, of all clients together.
        """
        self.running = self.waiting = 0
        self._most_running, self._most_waiting = most_running, most_waiting
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Waits for a turn, and holds it inside the block.

        Args:
            client: Name of the client.

        Raises:
            TilewrightError: Too many calls wait (code ``rateLimitExceeded``).
        """
        if self.running < self._most_running:
            self.running += 1
        else:
            await self._wait(client)
        try:
            yield
        finally:
            self.running -= 1
            self._wake()

    async def _wait(self, client: str) -> None:
        if self.waiting >= self._most_waiting:
            raise TilewrightError(
                f"{self.waiting} calls wait already, which is the limit; send this one again later",
                code="rateLimitExceeded",
            )
        ready = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(ready)
        self.waiting += 1
        try:
            await ready
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled():  # its turn came at the same moment
                self.running -= 1
                self._wake()
            raise
        finally:
            self.waiting -= 1

    def _wake(self) -> None:
        """Gives a free turn to the client that has waited longest since its last one."""
        while self._queues and self.running < self._most_running:
            client, queue = self._queues.popitem(last=False)
            ready = queue.popleft()
            if queue:
                self._queues[client] = queue  # at the end of the line
            if not ready.cancelled():
                self.running += 1
                ready.set_result(None)
