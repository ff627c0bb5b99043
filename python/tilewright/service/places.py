"""How many pictures are in memory at the same time, and how many are being fetched."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

from tilewright.engine.progress import raise_if_cancelled
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

# Longest wait in seconds for another picture or fetch before cancellation is noticed.
_PATIENCE = 0.2


class Places:
    """Limits the pictures in memory, however many threads and event loops call."""

    def __init__(self, handler: RequestHandler) -> None:
        """Takes the handler, which fetches pictures."""
        self._handler = handler
        self._pictures = threading.BoundedSemaphore(MAX_PICTURES)
        self._fetches = threading.BoundedSemaphore(MAX_FETCHES)

    @contextlib.contextmanager
    def take(self, request: _WithPicture, stop: threading.Event) -> Iterator[_WithPicture]:
        """Waits for a place, and yields the request while it has one.

        A picture at a URL is fetched before, so that a slow server holds no place, and the request
        is yielded with its bytes. Fetched files that wait for a place count as fetches, which
        bounds their number.

        Args:
            request: The request.
            stop: Cancels the wait and the fetch once it is set.

        Raises:
            TilewrightError: The picture cannot be fetched.
            CancelledError: `stop` was set.
        """
        if request.needs_fetch:
            _acquire(self._fetches, stop)
            try:
                raise_if_cancelled(stop)
                request = self._handler.fetch(request, stop)
                _acquire(self._pictures, stop)
            finally:
                self._fetches.release()
        else:
            _acquire(self._pictures, stop)
        try:
            raise_if_cancelled(stop)
            yield request
        finally:
            self._pictures.release()


def _acquire(semaphore: threading.Semaphore, stop: threading.Event) -> None:
    """Waits for a semaphore. Other calls may hold it for minutes, so cancellation ends the wait."""
    while not semaphore.acquire(timeout=_PATIENCE):
        raise_if_cancelled(stop)
