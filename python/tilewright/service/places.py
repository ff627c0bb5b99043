"""How many pictures are in memory at the same time, and how many are being fetched."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

from tilewright.engine.progress import raise_if_cancelled
from tilewright.forks import reset_in_children
from tilewright.service.fair_queue import FairQueue
from tilewright.service.requests import UploadRequest, UpscaleRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.service.handler import RequestHandler

_WithPicture = TypeVar("_WithPicture", UploadRequest, UpscaleRequest)

MAX_PICTURES = 3
"""Pictures in memory at the same time: one is decoded while another is in the network and a third is
encoded. More would only take memory.
"""

MAX_FETCHES = 8
"""Pictures that are fetched at the same time."""

# Longest wait in seconds for another picture or fetch before cancellation is noticed. Under load, a hundred threads
# wait, and each that wakes holds up the others.
_PATIENCE = 1.0


class Places:
    """Limits the pictures in memory, however many threads and event loops call."""

    def __init__(self, handler: RequestHandler) -> None:
        """Takes the handler, which fetches pictures."""
        self._handler = handler
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The pictures in memory are those of the parent's threads."""
        self._pictures = _FairSemaphore(MAX_PICTURES)
        self._fetches = _FairSemaphore(MAX_FETCHES)

    @contextlib.contextmanager
    def take(self, request: _WithPicture, stop: threading.Event, client: str) -> Iterator[_WithPicture]:
        """Waits for a place, and yields the request while it has one. Clients take turns.

        A picture at a URL is fetched before, so that a slow server holds no place, and the request
        is yielded with its bytes. Fetched files that wait for a place count as fetches, which
        bounds their number.

        Args:
            request: The request.
            stop: Cancels the wait and the fetch once it is set.
            client: Whose request it is.

        Raises:
            TilewrightError: The picture cannot be fetched.
            CancelledError: `stop` was set.
        """
        with contextlib.ExitStack() as place:
            if request.needs_fetch:
                with self._fetches.held(client, stop):
                    request = self._handler.fetch(request, stop)
                    place.enter_context(self._pictures.held(client, stop))
            else:
                place.enter_context(self._pictures.held(client, stop))
            yield request


class _FairSemaphore:
    """Lets a number of threads in, and the clients of those that wait take turns."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting: FairQueue[threading.Event] = FairQueue()

    @contextlib.contextmanager
    def held(self, client: str, stop: threading.Event) -> Iterator[None]:
        """Waits for a place and holds it inside the block. Once `stop` is set, it raises CancelledError."""
        self._acquire(client, stop)
        try:
            raise_if_cancelled(stop)
            yield
        finally:
            with self._lock:
                self._release()

    def _acquire(self, client: str, stop: threading.Event) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.put(client, turn)
        try:
            while not turn.wait(_PATIENCE):  # others may hold the places for minutes
                raise_if_cancelled(stop)
        except BaseException:  # cancelled, or Ctrl-C
            with self._lock:
                if turn.is_set():
                    self._release()
                else:
                    self._waiting.remove(client, turn)
            raise

    def _release(self) -> None:
        taken = self._waiting.take()
        if taken is None:
            self._free += 1
        else:
            taken[1].set()
