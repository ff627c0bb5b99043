"""Hidden files of this process that have to be removed if it ends now.

The command line imports this before it knows its command, so it imports little.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

unfinished: set[Path] = set()
"""The files. Whoever creates such a file adds it, and discards it when it has another name or is gone."""


def remove_unfinished() -> None:
    """Removes the files, for a process that is about to end."""
    for file in tuple(unfinished):
        with contextlib.suppress(OSError):
            file.unlink()
