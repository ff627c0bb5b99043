"""Runs calls of clients: takes turns between them, keeps count, and finishes them before the server stops."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, cast

from tilewright.errors import TilewrightError
from tilewright.server.log import log_task
from tilewright.server.metrics import Metrics
from tilewright.server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from tilewright.engine.progress import OnTaskProgress
    from tilewright.options import CallOptions
    from tilewright.server.sessions import Session
    from tilewright.upscaler import Upscaler

# Calls whose tasks run at the same time, and those of one client among them. An Upscaler holds three
# pictures at a time for all of them; the others wait for fetches or getResponse, or are validated.
_MOST_RUNNING = 32
_MOST_OF_CLIENT = 8

# Estimates that wait for another one. They are soon made, unless a network has to be measured first.
_MOST_ESTIMATES = 100

# Seconds between two looks at what is left when the server stops.
_GLANCE = 0.05


class Calls:
    """The calls that a server has accepted.

    Attributes:
        upscaler: Runs the tasks.
        turns: Limits the calls that run at the same time.
        metrics: Counts tasks.
        is_stopping: Whether further calls are refused.
    """

    def __init__(self, upscaler: Upscaler, *, most_waiting: int) -> None:
        """Takes the Upscaler; nothing runs yet.

        Args:
            upscaler: Runs the tasks.
            most_waiting: Calls that may wait for their turn.
        """
        self.upscaler = upscaler
        self.turns = Turns(_MOST_RUNNING, most_of_client=_MOST_OF_CLIENT, most_waiting=most_waiting)
        self._estimates = Turns(1, most_of_client=1, most_waiting=_MOST_ESTIMATES)
        self.metrics = Metrics(upscaler.totals)
        self.metrics.watch("tilewright_calls_running", "Calls whose tasks run.", lambda: self.turns.running)
        self.metrics.watch("tilewright_calls_waiting", "Calls that wait for their turn.", lambda: self.turns.waiting)
        self.metrics.watch(
            "tilewright_async_tasks_unfinished", "Asynchronous tasks that wait or run.", lambda: upscaler.unfinished
        )
        self.is_stopping = False
        self._open = 0  # calls that were accepted and are not answered

    def stop_accepting(self) -> None:
        """Refuses further calls. Those that were accepted are finished."""
        self.is_stopping = True

    async def run(self, tasks: Sequence[Mapping[str, Any]], client: str) -> dict[str, Any]:
        """Runs tasks and returns their envelope.

        Raises:
            TilewrightError: The server is stopping, or too many calls wait.
        """
        self._check_open()
        options = self._options(client)
        async with self._accepted(), self.turns.turn(client):
            # The types of tasks are checked when they run.
            return dict(await self.upscaler.arun(cast("Any", tasks), **options))

    async def stream(
        self, tasks: Sequence[Mapping[str, Any]], session: Session, on_progress: OnTaskProgress | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yields the envelope of each task when it is finished. For `on_progress` see `Upscaler.upscale`.

        While the session's client does not take its frames, the call gives up its turn, and only the
        few tasks go on that have been started.

        Raises:
            TilewrightError: The server is stopping, or too many calls wait.
        """
        self._check_open()
        options = self._options(session.client, on_progress)
        results: Any = self.upscaler.astream(cast("Any", tasks), **options)
        async with self._accepted(), contextlib.aclosing(results) as responses:
            is_accepted = is_finished = False
            while not is_finished:
                await session.room()
                async with self.turns.turn(session.client, is_accepted=is_accepted):
                    is_accepted = is_finished = True
                    async for response in responses:
                        yield response
                        if not session.has_room:
                            is_finished = False
                            break

    async def estimate(self, client: str, *, width: int, height: int, factor: int, model: str | None) -> float:
        """Returns the expected seconds of a picture. One call at a time may measure a network.

        Raises:
            TilewrightError: As for `Upscaler.estimate`; or the server is stopping, or too many calls
                wait.
        """
        self._check_open()
        async with self._accepted(), self._estimates.turn(client), self.turns.turn(client):
            found = await asyncio.to_thread(self.upscaler.estimate, width, height, factor, model=model)
        return found.seconds

    def _options(self, client: str, on_progress: OnTaskProgress | None = None) -> CallOptions:
        """Returns the options of a call that arrives now."""
        began = time.monotonic()

        def record(task: Mapping[str, Any], outcome: str) -> None:
            seconds = time.monotonic() - began
            self.metrics.count(task, outcome, seconds)
            log_task(task, outcome, client, seconds)

        return {"client": client, "keep": True, "on_progress": on_progress, "on_outcome": record, "remote": True}

    async def finished(self) -> None:
        """Returns when no accepted call is left."""
        while self._open:
            await asyncio.sleep(_GLANCE)

    @contextlib.asynccontextmanager
    async def _accepted(self) -> AsyncIterator[None]:
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def _check_open(self) -> None:
        if self.is_stopping:
            raise TilewrightError("the server is stopping; send this again later", code="serverStopping")
