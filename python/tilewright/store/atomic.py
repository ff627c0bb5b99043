"""Atomic file writes: a file appears complete or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

from tilewright.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.(partial|claim)")

LEFTOVER_SECONDS = 3600.0
"""Age from which a partial file is taken for one that a crash has left."""

# Additional age of a partial file that counts as abandoned where files cannot be locked.
_UNLOCKED_SECONDS = 24 * 3600


@contextlib.contextmanager
def atomic_write(
    path: Path, *, private: bool = False, private_folder: bool | None = None, durable: bool = True
) -> Iterator[BinaryIO]:
    """Opens a file for writing that appears under its name only when all of it is written.

    The data goes to a hidden file of a unique name in the same folder, which is locked meanwhile.
    When the block ends, that file is flushed to disk and renamed, which replaces an existing file
    atomically. If the block raises, it is removed. A crash can leave it behind, unlocked; see
    `remove_partial_files`.

    Args:
        path: File to write. Its folder is created if it is missing.
        private: Whether only the user may read the file.
        private_folder: Whether only the user may read the folder if it is created; None: as the file.
        durable: Whether the file is flushed to disk, so that it also survives a failure of the
            machine.

    Yields:
        The file, opened for binary writing.

    Raises:
        OSError: The file could not be written. Nothing is left behind, unless removing it fails too.
    """
    partial = path.parent / f".{uuid.uuid4().hex}.partial"
    unfinished.add(partial)
    try:
        try:
            file = _new_file(partial, private=private)
        except OSError:  # perhaps the folder is missing; otherwise its own error is clearer
            is_private = private if private_folder is None else private_folder
            path.parent.mkdir(0o700 if is_private else 0o777, parents=True, exist_ok=True)
            file = _new_file(partial, private=private)
        lock(file.fileno())  # shows that the file is in use, see `remove_partial_files`
    except BaseException:
        unfinished.discard(partial)
        raise
    try:
        yield file
        file.flush()
        if durable:
            os.fsync(file.fileno())
        if fcntl is None:  # Windows renames no open file
            file.close()
        partial.replace(path)  # still locked
        file.close()
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


def _new_file(path: Path, *, private: bool) -> BinaryIO:
    # Not the tempfile module: it creates files with mode 0600, whether they are private or not.
    mode = 0o600 if private else 0o666
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))


def remove_partial_files(folder: Path, *, older_than: float) -> None:
    """Removes files that crashed calls of `atomic_write` have left behind.

    A file that is still locked belongs to a running writer, which may be waiting for its turn, and
    is kept however old it is.

    Args:
        folder: Folder to clean. It may be missing.
        older_than: Only files last modified before this time are removed, in seconds since 1970.
            Newer ones may belong to a running writer, and so do locked ones. Where files cannot be
            locked, they must be a day older than that.

    Raises:
        OSError: The folder cannot be listed.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _PARTIAL.fullmatch(entry.name):
                # Another process may remove it first, or it may belong to another user.
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    modified = entry.stat().st_mtime
                    if modified < older_than and _is_abandoned(folder / entry.name, modified, older_than):
                        (folder / entry.name).unlink()


def lock(descriptor: int) -> bool:
    """Locks a file until it is closed or the process ends, however it ends.

    Returns:
        False if another process has locked the file. True also where files cannot be locked: on
        Windows, and on some network file systems.
    """
    return _try_lock(descriptor) is not False


def _is_abandoned(path: Path, modified: float, older_than: float) -> bool:
    """Returns whether no writer has a file open that was last modified before `older_than`."""
    if fcntl is None:
        return True
    with path.open("rb") as file:
        locked = _try_lock(file.fileno())
    return modified < older_than - _UNLOCKED_SECONDS if locked is None else locked


def _try_lock(descriptor: int) -> bool | None:
    """Returns whether a file is locked now; False if another process has locked it, None if it cannot be."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True
