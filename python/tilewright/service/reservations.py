"""taskUUIDs that are in use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tilewright.forks import reset_in_children

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tilewright.service.requests import TaskKey


class Reservations:
    """Tasks whose taskUUID cannot be used again until they are finished. It is thread-safe."""

    def __init__(self) -> None:
        """Starts without tasks."""
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The tasks in progress are those of the parent."""
        self._keys: set[TaskKey] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def reserve(self, key: TaskKey) -> bool:
        """Reserves a taskUUID. Returns False if another task of the client has reserved it."""
        with self._lock:
            if key in self._keys:
                return False
            self._keys.add(key)
            return True

    def release(self, keys: Iterable[TaskKey]) -> None:
        """Releases taskUUIDs."""
        with self._lock:
            self._keys.difference_update(keys)
