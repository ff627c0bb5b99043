"""Forked child processes: what is reset in them, and what is refused.

A fork copies the memory of a process, but only the thread that forks. In the child, a lock that
another thread held is never released, a pool has no threads, and a runtime's threads are gone. So
objects with locks are reset in the child, and native libraries that had threads are refused there.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

from tilewright.errors import DeviceError


class Resettable(Protocol):
    """An object that can be brought into the state of a new one."""

    def reset_after_fork(self) -> None:
        """Replaces locks, and forgets threads and what waits for them."""


_resettable: weakref.WeakSet[Resettable] = weakref.WeakSet()

# Values that a child can neither use nor destroy: the destructor of a native object may wait for
# its threads. Appended to in children only.
_abandoned: list[object] = []


def reset_in_children(owner: Resettable) -> None:
    """Makes sure that an object is reset in every child process that is forked later.

    Args:
        owner: The object. It is not kept alive.
    """
    _resettable.add(owner)


def abandon(value: object) -> None:
    """Keeps a value that this process has inherited by a fork until the process ends."""
    _abandoned.append(value)


class SingleProcess:
    """Refuses a library in processes that were forked after it had been used.

    Args:
        problem: What cannot be done in such a process, and after what, for the error message.
    """

    def __init__(self, problem: str) -> None:
        self._problem = problem
        self._used_in: int | None = None

    def check(self) -> None:
        """Checks this process.

        Raises:
            DeviceError: This process was forked from one that had used the library.
        """
        if self._used_in not in (None, os.getpid()):
            raise DeviceError(
                f"{self._problem}; fork earlier, or start processes with the method 'spawn' or 'forkserver'"
            )

    def use(self) -> None:
        """Notes that this process uses the library.

        Raises:
            DeviceError: As for `check`.
        """
        self.check()
        self._used_in = os.getpid()


def _reset() -> None:
    for owner in list(_resettable):
        owner.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
