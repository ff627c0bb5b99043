"""Shows other processes on the same store which processes are alive."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING

from tilewright.errors import StoreError
from tilewright.forks import reset_in_children

if TYPE_CHECKING:
    from tilewright.lazy import Lazy
    from tilewright.store import ImageStore

_log = logging.getLogger("tilewright")

# Seconds between two signs of life.
_INTERVAL = 10.0

# A process without a sign of life for so many seconds counts as ended. Machines that are busy or were
# suspended may be late.
_PATIENCE = 60.0


class Heartbeat:
    """A record of this process that is written again and again while it has unfinished tasks.

    It says that the process lives, whichever machine it is on. Times are those of the store's clock,
    so the machines' own clocks do not matter. It is thread-safe.

    Attributes:
        process: Name of this process.
    """

    def __init__(self, store: Lazy[ImageStore]) -> None:
        """Takes the store; nothing is written yet."""
        self._store = store
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. A child is another process."""
        self.process = str(uuid.uuid4())
        self._lock = threading.Lock()
        self._needed = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Shows that this process has unfinished tasks.

        Raises:
            StoreError: The store cannot be written.
        """
        with self._lock:
            self._needed.set()
            if self._thread is None:
                self._beat()
                self._ended = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._ended,), name="tilewright-heartbeat", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Says that all tasks are finished. The record stays for a while, because others may follow."""
        self._needed.clear()

    def end(self) -> None:
        """Removes the record, unless there are unfinished tasks again."""
        with self._lock:
            if self._thread is not None and not self._needed.is_set():
                self._ended.set()
                self._thread = None
                self._remove()

    def is_alive(self, process: str) -> bool:
        """Returns whether another process has lately shown that it is alive.

        Raises:
            StoreError: The store cannot be used.
        """
        records = self._store.get().records
        last = records.written(_name(process))
        if last is None:
            return False
        with self._lock:  # this process's record tells the time of the store's clock
            self._beat()
            now = records.written(_name(self.process))
            if self._thread is None:
                self._remove()
        return now is not None and now - last < _PATIENCE

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(_INTERVAL):
            with self._lock:
                if ended.is_set():
                    return
                if not self._needed.is_set():
                    self._thread = None
                    self._remove()
                    return
                try:
                    self._beat()
                except StoreError as error:
                    _log.warning("other processes may take this one for ended: %s", error)

    def _beat(self) -> None:
        self._store.get().records.write(_name(self.process), {})

    def _remove(self) -> None:
        try:
            self._store.get().records.remove(_name(self.process))
        except StoreError as error:
            _log.debug("a record is left: %s", error)


def _name(process: str) -> str:
    return f"process-{process}"
