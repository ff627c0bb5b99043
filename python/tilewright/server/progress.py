"""Progress of a call's tasks, on its way from the threads that run them to a WebSocket session."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tilewright.engine.progress import Progress
    from tilewright.server.sessions import Session

# Seconds between two reports of a task.
_INTERVAL = 0.2


class ProgressRelay:
    """Hands the newest progress of each task to a session, a few times a second.

    It is an `OnTaskProgress`. However often threads call it, the event loop is called once for each
    report.
    """

    def __init__(self, session: Session) -> None:
        """Takes the session. Called on the event loop that the session belongs to."""
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()  # guards the newest progress
        self._newest: dict[str, Progress] = {}
        self._next: dict[str, float] = {}  # when a task may be reported again
        self._is_closed = False

    def __call__(self, task_uuid: str, progress: Progress) -> None:
        """Takes the progress of a task, on the thread that runs it."""
        with self._lock:
            is_due = task_uuid not in self._newest and not self._is_closed
            self._newest[task_uuid] = progress
        if is_due:
            self._loop.call_soon_threadsafe(self._report, task_uuid)

    def forget(self, response: Mapping[str, Any]) -> None:
        """Drops the progress of finished tasks, so that none comes after their results.

        Args:
            response: Envelope of the tasks.
        """
        for item in (*response["data"], *response.get("errors", ())):
            if isinstance(task_uuid := item.get("taskUUID"), str):
                self._drop(task_uuid)

    def close(self) -> None:
        """Drops all progress. Tasks that still run are not reported any more."""
        with self._lock:
            self._is_closed = True
            tasks = {*self._newest, *self._next}
        for task_uuid in tasks:
            self._drop(task_uuid)

    def _report(self, task_uuid: str) -> None:
        wait = self._next.get(task_uuid, 0.0) - self._loop.time()
        if wait > 0:
            self._loop.call_later(wait, self._report, task_uuid)
            return
        with self._lock:
            progress = self._newest.pop(task_uuid, None)
        if progress is None:  # it is finished
            return
        self._next[task_uuid] = self._loop.time() + _INTERVAL
        self._session.show_progress(task_uuid, progress)

    def _drop(self, task_uuid: str) -> None:
        with self._lock:
            self._newest.pop(task_uuid, None)
        self._next.pop(task_uuid, None)
        self._session.hide_progress(task_uuid)
