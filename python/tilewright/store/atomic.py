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

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.(partial|claim)")

LEFTOVER_SECONDS = 3600.0
"""Age from which a partial file is taken for one that a crash has left."""

unfinished: set[Path] = set()
"""The hidden files of this process that have to be removed if it ends now."""


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
    unfinished.add(partial)
    try:
        file = partial.open("xb")
        lock(file.fileno())  # shows that the file is in use, see `remove_partial_files`
    except BaseException:
        unfinished.discard(partial)
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
        unfinished.discard(partial)


def remove_unfinished() -> None:
    """Removes the files that `atomic_write` is writing now, for a process that is about to end."""
    for partial in tuple(unfinished):
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path, *, older_than: float) -> None:
    """Removes files that crashed calls of `atomic_write` have left behind.

    Args:
        folder: Folder to clean. It may be missing.
        older_than: Only files last modified before this time are removed, in seconds since 1970.
            Newer ones may belong to a running writer, and so do locked ones.

    Raises:
        OSError: The folder cannot be listed.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _PARTIAL.fullmatch(entry.name):
                # Another process may remove it first, or it may belong to another user.
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    if entry.stat().st_mtime < older_than and not _is_in_use(folder / entry.name):
                        (folder / entry.name).unlink()


def lock(descriptor: int) -> bool:
    """Locks a file until it is closed or the process ends, however it ends.

    Returns:
        False if another process has locked the file. True also where files cannot be locked: on
        Windows, and on some network file systems.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_in_use(partial: Path) -> bool:
    """Returns whether a running process writes a file."""
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        return not lock(descriptor)
    finally:
        os.close(descriptor)
