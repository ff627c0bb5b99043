"""Asynchronous requests: queued when they arrive; their outcomes are kept for ``getResponse``."""

from __future__ import annotations

import threading
from collections import deque
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

    def __init__(
        self, make_pool: Callable[[], Executor], make_fetching_pool: Callable[[], Executor], *, max_waiting: int
    ) -> None:
        """Starts without requests.

        Args:
            make_pool: Makes the thread pool, at first use.
            make_fetching_pool: Makes another one for requests whose pictures are fetched, so that
                slow servers delay only them.
            max_waiting: Number of unfinished requests at which further ones are refused.
        """
        self._max_waiting = max_waiting
        self._pool = Lazy(lambda: self._new_pool(make_pool), per_process=True)
        self._fetching_pool = Lazy(lambda: self._new_pool(make_fetching_pool), per_process=True)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tasks: dict[str, BackgroundTask] = {}
        self._unfinished = 0
        # The finished ones of `_tasks`, oldest first. A search for them at every acceptance would
        # take time that grows with the square of their number.
        self._finished: deque[UpscaleRequest] = deque()
        self._ended = False
        reset_in_children(self)

    def accept(
        self, request: UpscaleRequest, work: Callable[[threading.Event], Outcome], *, fetches: bool = False
    ) -> None:
        """Queues a request. An earlier request with the same taskUUID is forgotten.

        Args:
            request: Kept with the outcome.
            work: Runs the request. It returns an outcome instead of raising, because an exception
                would keep all its frames alive. It ends early if the event is set.
            fetches: Whether the picture is fetched.

        Raises:
            TilewrightError: The process is ending, or too many requests are unfinished (code
                ``rateLimitExceeded``).
        """
        pool = (self._fetching_pool if fetches else self._pool).get()
        with self._lock:
            if self._ended:
                raise TilewrightError("no task can be accepted any more, because the program is ending")
            if self._unfinished >= self._max_waiting:
                raise TilewrightError(
                    f"{self._unfinished} tasks with deliveryMethod async are not finished yet, which is the limit; "
                    "send this one again later, or raise TILEWRIGHT_MAX_WAITING_TASKS",
                    code="rateLimitExceeded",
                )
            future = pool.submit(self._run, request, work, self._stop)
            self._tasks[request.task_uuid.lower()] = BackgroundTask(request, future)
            self._unfinished += 1
            while len(self._finished) > _MAX_OUTCOMES:
                self._forget(self._finished.popleft())

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

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The parent's requests are unknown in the child."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tasks = {}
        self._unfinished = 0
        self._finished = deque()

    def _run(
        self, request: UpscaleRequest, work: Callable[[threading.Event], Outcome], stop: threading.Event
    ) -> Outcome:
        try:
            return work(stop)
        finally:
            with self._lock:
                self._unfinished -= 1
                self._finished.append(request)

    def _forget(self, request: UpscaleRequest) -> None:
        """Forgets the outcome of a request, unless a later request has taken its taskUUID."""
        key = request.task_uuid.lower()
        if key in self._tasks and self._tasks[key].request is request:
            del self._tasks[key]

    def _finish_at_exit(self) -> None:
        """Waits for all requests, those included that other threads add meanwhile, then accepts no more."""
        while not self._ended:
            self.wait()
            with self._lock:
                self._ended = all(task.future.done() for task in self._tasks.values())

    def _new_pool(self, make_pool: Callable[[], Executor]) -> Executor:
        pool = make_pool()
        # `atexit` would be too late: by then, thread pools refuse work. concurrent.futures sets its
        # own hook in the same way when the pool is made, and hooks run last to first, so this one
        # runs before it. There is no public function for this.
        threading._register_atexit(self._finish_at_exit)  # type: ignore[attr-defined]
        return pool
