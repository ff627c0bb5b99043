"""Deliveries to receivers that may be slow or down: attempted in background threads, and repeated."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
import weakref
from bisect import insort
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.errors import CancelledError
from tilewright.forks import reset_in_children
from tilewright.web.errors import SendError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger("tilewright")

PAUSES = (1.0, 5.0, 25.0)
"""Seconds between the attempts of a delivery, of which there is one more."""

# Longest pause that a receiver can ask for, in seconds.
_MAX_RETRY_AFTER = 60.0

# Deliveries that are attempted at the same time. Each may hold a result in memory.
_MAX_THREADS = 8

# Of these, deliveries to one receiver: a slow one does not hold up the others.
_MAX_AT_ONCE = 2

# Unfinished deliveries. Each holds a URL, and a few hundred bytes of its task.
_MAX_UNFINISHED = 4000

# Of these, deliveries to one receiver: one that is down takes no place from the others.
_MAX_FOR_RECEIVER = 1000

# Seconds for which the end of the process, and `Deliveries.wait`, wait for deliveries.
_PATIENCE = 10.0

# Seconds in which a cancelled attempt ends.
_CANCEL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """Something to be sent.

    Attributes:
        description: What is not sent where if the delivery fails, for the log, such as "the result
            of task … was not sent to …".
        receiver: Host and port.
        attempt: Sends it. It raises `SendError` if the receiver does not accept it, and
            `CancelledError` soon after the event is set.
    """

    description: str
    receiver: str
    attempt: Callable[[threading.Event], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A delivery that has failed `failures` times, and is attempted again at `due` (monotonic)."""

    delivery: Delivery
    due: float
    failures: int = 0


class Deliveries:
    """Deliveries that are not finished. It is thread-safe.

    A delivery that keeps failing is given up with a warning in the log.
    """

    def __init__(self, pauses: Sequence[float] = PAUSES) -> None:
        """Starts without deliveries; no thread is started yet.

        Args:
            pauses: Seconds between attempts.
        """
        self._pauses = tuple(pauses)
        self.reset_after_fork()
        reset_in_children(self)
        _finish_at_exit(self)

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The parent's deliveries are the parent's."""
        self._changed = threading.Condition()  # guards the following
        self._waiting: list[_Waiting] = []  # in the order in which they are due
        self._running: Counter[str] = Counter()  # attempts in progress, by receiver
        self._expected = 0
        self._threads = 0
        self._ended = False
        self._stop = threading.Event()

    def expect(self, number: int) -> None:
        """Changes how many callers are going to call `add`, perhaps while the process ends.

        Since Python 3.12 no thread can be started then, so one is kept for them.

        Args:
            number: Is added. It may come after the calls that it stands for.
        """
        with self._changed:
            self._expected += number
            self._start_thread()
            self._changed.notify_all()

    def add(self, delivery: Delivery) -> None:
        """Queues a delivery. If that is not possible, it is given up."""
        with self._changed:
            refusal = self._refusal(delivery)
            if refusal is None:
                insort(self._waiting, waiting := _Waiting(delivery, time.monotonic()), key=_due)
                self._start_thread()
                self._changed.notify_all()
                if not self._threads:
                    self._waiting.remove(waiting)
                    refusal = "no thread can be started"
        if refusal is not None:
            _give_up(delivery, refusal)

    def wait(self, seconds: float = _PATIENCE) -> None:
        """Returns when all deliveries are finished, or are not attempted again within some seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: not self._has_work_until(end), timeout=seconds)

    def finish(self, seconds: float) -> None:
        """Waits as `wait` does, gives up what is left, and accepts no more."""
        self.wait(seconds)
        with self._changed:
            self._ended = True
            self._stop.set()
            left, self._waiting = self._waiting, []
            self._changed.notify_all()
        for waiting in left:
            _give_up(waiting.delivery, "the program is ending")
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout=_CANCEL_SECONDS)

    def _has_work_until(self, end: float) -> bool:
        return bool(self._running) or any(waiting.due < end for waiting in self._waiting)

    def _refusal(self, delivery: Delivery) -> str | None:
        """Returns why a delivery cannot be queued; None if it can."""
        for_receiver = sum(waiting.delivery.receiver == delivery.receiver for waiting in self._waiting)
        if self._ended:
            return "the program is ending"
        if for_receiver >= _MAX_FOR_RECEIVER:
            return f"{for_receiver} others wait for this receiver"
        if len(self._waiting) >= _MAX_UNFINISHED:
            return f"{len(self._waiting)} others wait"
        return None

    def _start_thread(self) -> None:
        """Starts another thread, if there is work for it and that is possible."""
        useful = len(self._waiting) + self._running.total() + (self._expected > 0)
        if self._threads < min(useful, _MAX_THREADS):
            # A daemon, because the process must not wait for it beyond `finish`.
            thread = threading.Thread(target=self._work, name="tilewright-send", daemon=True)
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._threads += 1

    def _work(self) -> None:
        while (waiting := self._next()) is not None:
            failure = self._attempt(waiting.delivery)
            self._settle(waiting, failure)

    def _next(self) -> _Waiting | None:
        """Waits for a delivery that is due; returns None if there is nothing to wait for."""
        with self._changed:
            while not self._ended and (self._waiting or self._expected > 0):
                now = time.monotonic()
                for index, waiting in enumerate(self._waiting):
                    if waiting.due > now:
                        break
                    if self._running[waiting.delivery.receiver] < _MAX_AT_ONCE:
                        self._running[waiting.delivery.receiver] += 1
                        return self._waiting.pop(index)
                due = next((waiting.due for waiting in self._waiting if waiting.due > now), None)
                self._changed.wait(None if due is None else due - now)
            self._threads -= 1
            return None

    def _attempt(self, delivery: Delivery) -> SendError | None:
        """Returns why a delivery failed; None if it did not."""
        try:
            delivery.attempt(self._stop)
        except SendError as error:
            return error
        except CancelledError:
            return SendError("the program is ending", is_final=True)
        except BaseException as error:  # there is no caller to raise it to
            _log.error("%s", delivery.description, exc_info=error)
            return SendError("unexpected failure", is_final=True)
        return None

    def _settle(self, waiting: _Waiting, failure: SendError | None) -> None:
        """Ends an attempt, and queues the next one if the delivery failed."""
        receiver, failures = waiting.delivery.receiver, waiting.failures + 1
        with self._changed:
            is_last = self._ended or waiting.failures == len(self._pauses)
            if failure is not None and not failure.is_final and not is_last:
                pause = max(self._pauses[waiting.failures], min(failure.retry_after or 0, _MAX_RETRY_AFTER))
                insort(self._waiting, _Waiting(waiting.delivery, time.monotonic() + pause, failures), key=_due)
                failure = None
        if failure is not None:
            _give_up(waiting.delivery, f"{failure} ({failures} {'attempt' if failures == 1 else 'attempts'})")
        with self._changed:  # last, because `wait` returns then
            self._running[receiver] -= 1
            if not self._running[receiver]:
                del self._running[receiver]
            self._changed.notify_all()


def _due(waiting: _Waiting) -> float:
    return waiting.due


def _give_up(delivery: Delivery, reason: str) -> None:
    _log.warning("%s: %s", delivery.description, reason)


_unended: weakref.WeakSet[Deliveries] = weakref.WeakSet()


def _finish_at_exit(deliveries: Deliveries) -> None:
    _register_hook()
    _unended.add(deliveries)


@functools.cache
def _register_hook() -> None:
    # Hooks run last to first. `BackgroundTasks` sets its own later, so asynchronous tasks are finished
    # before this one runs. See there why `atexit` would be too late.
    threading._register_atexit(_finish_all)  # type: ignore[attr-defined]


def _finish_all() -> None:
    end = time.monotonic() + _PATIENCE
    for deliveries in list(_unended):
        deliveries.finish(max(0.0, end - time.monotonic()))
