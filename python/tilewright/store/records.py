"""Small values beside the images of a store, which all processes that share the store can read."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tilewright.lazy import Lazy
    from tilewright.store.backends import Backend

RECORD = "record-"
"""Prefix of the names of their files."""

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long a record is kept after it was written."""


class Records:
    """JSON values by name.

    They survive the end of a process, however it ends. After a failure of the whole machine, the
    latest ones may be missing.
    """

    def __init__(self, backend: Lazy[Backend], mapped_errors: Callable[[str], AbstractContextManager[None]]) -> None:
        """Takes the store's backend, and what maps its errors to StoreError."""
        self._backend = backend
        self._mapped_errors = mapped_errors

    def write(self, name: str, value: object) -> None:
        """Writes a record, in place of one of the same name.

        Args:
            name: Letters, digits and hyphens.
            value: What JSON can hold.

        Raises:
            StoreError: The store cannot be written.
        """
        with self._mapped_errors("written"):
            self._backend.get().write_record(_file_name(name), json.dumps(value).encode())

    def read(self, name: str) -> Any:
        """Returns the value of a record; None if there is none, or a failure of the machine has cut it off.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._mapped_errors("read"):
            try:
                return json.loads(self._backend.get().read(_file_name(name)))
            except (FileNotFoundError, ValueError):
                return None

    def written(self, name: str) -> float | None:
        """Returns when a record was written, in seconds on the clock of the store; None if there is none.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._mapped_errors("read"), contextlib.suppress(FileNotFoundError):
            return self._backend.get().modified(_file_name(name))
        return None

    def remove(self, name: str) -> None:
        """Removes a record if there is one.

        Raises:
            StoreError: The store cannot be changed.
        """
        with self._mapped_errors("changed"), contextlib.suppress(FileNotFoundError):
            self._backend.get().remove(_file_name(name))


def _file_name(name: str) -> str:
    return f"{RECORD}{name}.json"
