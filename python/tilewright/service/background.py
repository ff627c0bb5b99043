"""Work that is asked about later: accepted at once, done in its turn, its outcome kept for a while."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

# So many outcomes are kept, of a few hundred bytes each. Who asks later than that asks in vain.
_KEPT = 1000

_About = TypeVar("_About")
_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True)
class Delivery(Generic[_About, _Outcome]):
    """Work that was accepted.

    Attributes:
        about: what was said of it.
    """

    about: _About
    future: Future[_Outcome]

    def outcome(self) -> _Outcome | None:
        """What became of it; None when it is not done yet."""
        return self.future.result() if self.future.done() else None


class Deliveries(Generic[_About, _Outcome]):
    """Work under way, and its outcomes, by key. Any number of threads may use it.

    What was accepted is done: the process does not end before.
    """

    def __init__(self, make_pool: Callable[[], Executor]) -> None:
        """Makes the pool when it is first needed."""
        self._make_pool = make_pool
        self._pool: Executor | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._deliveries: dict[str, Delivery[_About, _Outcome]] = {}

    def accept(self, key: str, about: _About, work: Callable[[threading.Event], _Outcome]) -> None:
        """Has something done in its turn.

        Args:
            key: by which it is found; what was found by it before is forgotten.
            about: kept with it.
            work: does it, and gives an outcome instead of raising, as an exception would hold on to all it has seen.
                When the event is set, it ends early.
        """
        with self._lock:
            if self._pool is None:
                self._pool = self._make_pool()
                _before_exit(self.wait)
            self._deliveries.pop(key, None)  # so that the new one stands last
            self._deliveries[key] = Delivery(about, self._pool.submit(work, self._stop))
            finished = [key for key, delivery in self._deliveries.items() if delivery.future.done()]
            for old in finished[:-_KEPT]:
                del self._deliveries[old]

    def find(self, key: str) -> Delivery[_About, _Outcome] | None:
        """The work under a key, done or not; None when there is none, or it was forgotten."""
        with self._lock:
            return self._deliveries.get(key)

    def wait(self) -> None:
        """Returns when all that was accepted before is done."""
        from concurrent.futures import wait

        with self._lock:
            deliveries = list(self._deliveries.values())
        wait([delivery.future for delivery in deliveries])

    def stop(self) -> None:
        """Ends what is under way early, and waits for that; what is accepted afterwards is done again."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
        self.wait()


def _before_exit(wait: Callable[[], None]) -> None:
    """Has something called when the process is about to end, while pools still take work.

    `atexit` would be too late: by then `concurrent.futures` takes none. Its own hook is set like this one, and hooks
    are called last to first; the pool was made before, so its hook comes after.
    """
    threading._register_atexit(wait)  # type: ignore[attr-defined]
