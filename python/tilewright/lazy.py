"""Values that are made at first use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from tilewright.forks import abandon, reset_in_children

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Lazy(Generic[_T]):
    """A value that is made once, by whichever thread asks first.

    If making it fails, the error is raised and the next call tries again.
    """

    def __init__(self, make: Callable[[], _T], *, per_process: bool = False) -> None:
        """Stores the function that makes the value; it is not called yet.

        Args:
            make: Makes the value.
            per_process: Whether a forked process makes a value of its own, because this one has
                threads or connections.
        """
        self._make = make
        self._per_process = per_process
        self._made: list[_T] = []
        self._lock = threading.Lock()
        reset_in_children(self)

    def get(self) -> _T:
        """Returns the value. Raises whatever the function raises."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`."""
        self._lock = threading.Lock()
        if self._per_process:
            abandon(self._made)
            self._made = []
