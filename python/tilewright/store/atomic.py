"""Atomic file writes: a file appears complete or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.partial")

# The files that this process is writing now.
_unfinished: set[Path] = set()


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for writing that appears under its name only when all of it is on disk.

    The data goes to a hidden file of a unique name in the same folder. When the block ends, that
    file is flushed to disk and renamed, which replaces an existing file atomically. If the block
    raises, it is removed. A crash can leave it behind; see `remove_partial_files`.

    Args:
        path: File to write. Its folder is created if it is missing.

    Yields:
        The file, opened for binary writing.

    Raises:
        OSError: The file could not be written. Nothing is left behind, unless removing it fails too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the tempfile module: it creates files with mode 0600, and the finished file would keep
    # that.
    partial = path.parent / f".{uuid.uuid4().hex}.partial"
    _unfinished.add(partial)
    try:
        file = partial.open("xb")
    except BaseException:
        _unfinished.discard(partial)
        raise
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        partial.replace(path)
    except BaseException:
        # The first failure is the one to report. Closing flushes buffered data, so it can fail again
        # for the same reason.
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    finally:
        _unfinished.discard(partial)


def remove_unfinished() -> None:
    """Removes the files that `atomic_write` is writing now, for a process that is about to end."""
    for partial in tuple(_unfinished):
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path, *, older_than: float) -> None:
    """Removes files that crashed calls of `atomic_write` have left behind.

    Args:
        folder: Folder to clean. It may be missing.
        older_than: Only files last modified before this time are removed, in seconds since 1970.
            Newer ones may belong to a running writer.

    Raises:
        OSError: The folder cannot be listed.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _PARTIAL.fullmatch(entry.name):
                # Another process may remove it first, or it may belong to another user.
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    if entry.stat().st_mtime < older_than:
                        (folder / entry.name).unlink()
