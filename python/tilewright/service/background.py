"""Asynchronous requests: queued when they arrive; their outcomes are kept for ``getResponse``."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.errors import TilewrightError
from tilewright.forks import reset_in_children
from tilewright.lazy import Lazy
from tilewright.service.responses import Upscaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from tilewright.service.requests import UpscaleRequest

# Number of outcomes that are kept, a few hundred bytes each. Older ones are forgotten.
_MAX_OUTCOMES = 1000

# The outcome of a request: its result, or its error items.
Outcome = Upscaled | list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BackgroundTask:
    """A request that was accepted.

    Attributes:
        request: The request.
        future: Its outcome.
    """

    request: UpscaleRequest
    future: Future[Outcome]

    def outcome(self) -> Outcome | None:
        """Returns the outcome; None if the request is not finished."""
        return self.future.result() if self.future.done() else None


class BackgroundTasks:
    """Accepted requests and their outcomes, by taskUUID. It is thread-safe.

    Every accepted request is finished before the process ends.
    """

    def __init__(self, make_pool: Callable[[], Executor]) -> None:
        """Starts without requests.

        Args:
            make_pool: Makes the thread pool, at first use.
        """
        self._pool = Lazy(lambda: self._new_pool(make_pool), per_process=True)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tasks: dict[str, BackgroundTask] = {}
        self._ended = False
        reset_in_children(self)

    def accept(self, request: UpscaleRequest, work: Callable[[threading.Event], Outcome]) -> None:
        """Queues a request. An earlier request with the same taskUUID is forgotten.

        Args:
            request: Kept with the outcome.
            work: Runs the request. It returns an outcome instead of raising, because an exception
                would keep all its frames alive. It ends early if the event is set.

        Raises:
            TilewrightError: The process is ending.
        """
        key = request.task_uuid.lower()
        pool = self._pool.get()
        with self._lock:
            if self._ended:
                raise TilewrightError("no task can be accepted any more, because the program is ending")
            self._tasks.pop(key, None)  # so that the new one is last
            self._tasks[key] = BackgroundTask(request, pool.submit(work, self._stop))
            finished = [key for key, task in self._tasks.items() if task.future.done()]
            for old in finished[:-_MAX_OUTCOMES]:
                del self._tasks[old]

    def find(self, task_uuid: str) -> BackgroundTask | None:
        """Returns the request with a taskUUID in any letter case; None if it is unknown."""
        with self._lock:
            return self._tasks.get(task_uuid.lower())

    def wait(self) -> None:
        """Returns when all requests that have been accepted are finished."""
        from concurrent.futures import wait

        with self._lock:
            tasks = list(self._tasks.values())
        wait([task.future for task in tasks])

    def stop(self) -> None:
        """Cancels all requests and waits for them. Requests accepted afterwards run normally."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
        self.wait()

    def _finish_at_exit(self) -> None:
        """Waits for all requests, those included that other threads add meanwhile, then accepts no more."""
        while not self._ended:
            self.wait()
            with self._lock:
                self._ended = all(task.future.done() for task in self._tasks.values())

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The parent's requests are unknown in the child."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tasks = {}

    def _new_pool(self, make_pool: Callable[[], Executor]) -> Executor:
        pool = make_pool()
        # `atexit` would be too late: by then, thread pools refuse work. concurrent.futures sets its
        # own hook in the same way when the pool is made, and hooks run last to first, so this one
        # runs before it. There is no public function for this.
        threading._register_atexit(self._finish_at_exit)  # type: ignore[attr-defined]
        return pool
