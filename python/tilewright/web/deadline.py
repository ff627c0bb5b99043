"""A deadline for everything that one HTTP request waits for."""

from __future__ import annotations

import selectors
import ssl
import time
from typing import TYPE_CHECKING, TypeVar

from tilewright.engine.progress import raise_if_cancelled

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

_T = TypeVar("_T")

# Longest wait in seconds before cancellation is noticed.
_PATIENCE = 0.1


class Deadline:
    """A point in time that bounds all waits of one request together, and ends them on cancellation."""

    def __init__(self, seconds: float, stop: threading.Event | None = None) -> None:
        """Starts now.

        Args:
            seconds: Time until the deadline.
            stop: Cancels the request once it is set; None if it is never set.
        """
        self._end = time.monotonic() + seconds
        self._stop = stop

    def remaining(self) -> float:
        """Returns the remaining seconds.

        Raises:
            TimeoutError: The deadline has passed.
            CancelledError: The request was cancelled.
        """
        if self._stop is not None:
            raise_if_cancelled(self._stop)
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def patience(self) -> float:
        """Returns the seconds to wait before `remaining` must be called again; raises as it does."""
        return min(self.remaining(), _PATIENCE)

    def part(self, share: float) -> Deadline:
        """Returns a deadline at a share of the remaining time; raises as `remaining` does."""
        return Deadline(self.remaining() * share, self._stop)

    def wait(self, sock: socket.socket, event: int) -> None:
        """Waits until a socket is ready for an event of `selectors`; raises as `remaining` does."""
        with selectors.DefaultSelector() as selector:
            selector.register(sock, event)
            while not selector.select(self.patience()):
                pass

    def run(self, action: Callable[[], _T], sock: socket.socket, event: int) -> _T:
        """Runs an action on a non-blocking socket, as soon as the socket is ready for it.

        A server that always has more to send never makes it wait, so time and cancellation are
        checked before every action too. Raises as `remaining` does.
        """
        while True:
            self.remaining()
            try:
                return action()
            except ssl.SSLWantReadError:
                self.wait(sock, selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                self.wait(sock, selectors.EVENT_WRITE)
            except BlockingIOError:
                self.wait(sock, event)
