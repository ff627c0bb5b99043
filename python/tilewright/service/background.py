"""Asynchronous requests: queued when they arrive; their outcomes are kept for ``getResponse``."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilewright.errors import TilewrightError
from tilewright.forks import reset_in_children
from tilewright.lazy import Lazy
from tilewright.service.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from tilewright.service.outcomes import Outcome, Outcomes
    from tilewright.service.requests import TaskKey, UpscaleRequest

    Work = Callable[[threading.Event], Outcome]

# Number of outcomes that are kept in memory, a few hundred bytes each. Older ones are read from the store.
_MAX_OUTCOMES = 1000


@dataclass(slots=True, eq=False)
class BackgroundTask:
    """A request that was accepted.

    Attributes:
        key: What identifies it.
        request: The request, without its picture.
        work: Runs the request. It returns an outcome instead of raising, because an exception would
            keep all its frames alive. It ends early if the event is set.
        release: Called when the request is finished.
        stop: The event.
        future: Its outcome.
        recording: Held while its record in the store is written.
        is_recorded: Whether its outcome has been recorded.
    """

    key: TaskKey
    request: UpscaleRequest
    work: Work | None
    release: Callable[[], None]
    stop: threading.Event
    future: Future[Outcome]
    recording: threading.Lock = field(default_factory=threading.Lock)
    is_recorded: bool = False

    def outcome(self) -> Outcome | None:
        """Returns the outcome; None if the request is not finished."""
        return self.future.result() if self.future.done() else None


class BackgroundTasks:
    """Accepted requests and their outcomes. It is thread-safe.

    Clients take turns. Every accepted request is finished before the process ends.

    Attributes:
        unfinished: Number of requests that wait or run.
    """

    def __init__(
        self,
        make_pool: Callable[[], Executor],
        make_fetching_pool: Callable[[], Executor],
        outcomes: Outcomes,
        *,
        max_waiting: int,
    ) -> None:
        """Starts without requests.

        Args:
            make_pool: Makes the thread pool, at first use.
            make_fetching_pool: Makes another one for requests whose pictures are fetched, so that
                slow servers delay only them.
            outcomes: Records requests and their outcomes.
            max_waiting: Number of unfinished requests at which further ones are refused.
        """
        self._outcomes = outcomes
        self._max_waiting = max_waiting
        self._pool = Lazy(lambda: self._new_pool(make_pool), per_process=True)
        self._fetching_pool = Lazy(lambda: self._new_pool(make_fetching_pool), per_process=True)
        self._ended = False
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The parent's requests are unknown in the child."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tasks: dict[TaskKey, BackgroundTask] = {}
        self._waiting: FairQueue[BackgroundTask] = FairQueue()
        self._waiting_for_fetch: FairQueue[BackgroundTask] = FairQueue()
        self.unfinished = 0
        # The finished ones of `_tasks`, oldest first. A search for them at every acceptance would
        # take time that grows with the square of their number.
        self._finished: deque[BackgroundTask] = deque()

    def accept(
        self,
        key: TaskKey,
        request: UpscaleRequest,
        work: Work,
        *,
        release: Callable[[], None] = lambda: None,
        fetches: bool = False,
    ) -> None:
        """Queues a request. An earlier request with the same key is forgotten.

        Args:
            key: What identifies the request.
            request: Kept with the outcome.
            work: See `BackgroundTask`.
            release: See `BackgroundTask`.
            fetches: Whether the picture is fetched.

        Raises:
            TilewrightError: The process is ending, or too many requests are unfinished (code
                ``rateLimitExceeded``).
        """
        from concurrent.futures import Future

        pool, waiting = (self._fetching_pool, self._waiting_for_fetch) if fetches else (self._pool, self._waiting)
        executor = pool.get()
        with self._lock:
            if self._ended:
                raise TilewrightError("no task can be accepted any more, because the program is ending")
            if self.unfinished >= self._max_waiting:
                raise TilewrightError(
                    f"{self.unfinished} tasks with deliveryMethod async are not finished yet, which is the limit; "
                    "send this one again later, or raise TILEWRIGHT_MAX_WAITING_TASKS",
                    code="rateLimitExceeded",
                )
            executor.submit(self._run_next, waiting)  # it runs the task whose turn it is by then
            task = BackgroundTask(key, request, work, release, self._stop, Future())
            waiting.put(key.client, task)
            self._tasks[key] = task
            self.unfinished += 1
            while len(self._finished) > _MAX_OUTCOMES:
                self._forget(self._finished.popleft())

    def record(self, key: TaskKey) -> None:
        """Records that an accepted request will be finished, unless it is finished already."""
        task = self.find(key)
        if task is None:
            return
        with task.recording:
            if not task.is_recorded:
                self._outcomes.write_accepted(key, task.request)

    def find(self, key: TaskKey) -> BackgroundTask | None:
        """Returns a request; None if it is unknown to this process."""
        with self._lock:
            return self._tasks.get(key)

    def wait(self) -> None:
        """Returns when all requests that have been accepted are finished."""
        from concurrent.futures import wait

        with self._lock:
            tasks = list(self._tasks.values())
        wait([task.future for task in tasks])
        self._outcomes.heartbeat.end()

    def stop(self) -> None:
        """Cancels all requests and waits for them. Requests accepted afterwards run normally."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
        self.wait()

    def _run_next(self, waiting: FairQueue[BackgroundTask]) -> None:
        """Runs the request whose turn it is."""
        with self._lock:
            taken = waiting.take()
        assert taken is not None, "there is a call for each request"
        _, task = taken
        assert task.work is not None
        outcome = task.work(task.stop)
        task.work = None  # it holds the picture
        with task.recording:
            self._outcomes.write_finished(task.key, task.request, outcome)
            task.is_recorded = True
        task.release()
        with self._lock:
            self.unfinished -= 1
            self._finished.append(task)
            if not self.unfinished:
                self._outcomes.heartbeat.stop()
        task.future.set_result(outcome)

    def _forget(self, task: BackgroundTask) -> None:
        """Forgets the outcome of a request, unless a later request has taken its key."""
        if self._tasks.get(task.key) is task:
            del self._tasks[task.key]

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
