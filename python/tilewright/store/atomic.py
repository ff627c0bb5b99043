"""Files that are there whole, or not at all."""

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


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name only when all of it is on the disk, which is when the block is left.

    It is written beside its place under a name that nobody else uses, and renamed: a file of that name is replaced at
    once, and after a crash at most a hidden ``.partial`` file is left. When the block is left by an exception, nothing
    is, unless it may no longer be removed.

    Args:
        path: the file; its folder is made when absent.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: those are for their owner's eyes only, and the file would keep that.
    partial = path.parent / f".{uuid.uuid4().hex}.partial"
    file = partial.open("xb")
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        partial.replace(path)
    except BaseException:
        # What went wrong first is what counts. It may be why these fail as well: to close a file is to write its rest.
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def remove_left_overs(folder: Path, *, older_than: float) -> None:
    """Removes the ``.partial`` files of writers that crashed.

    Args:
        folder: where they wrote; it may be absent.
        older_than: files last written before this time, in seconds since 1970, go; one that is younger may belong to a
            writer at work.

    Raises:
        OSError: the folder cannot be listed.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _PARTIAL.fullmatch(entry.name):
                # Another process may remove it first; somebody else's may not be ours to remove.
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    if entry.stat().st_mtime < older_than:
                        (folder / entry.name).unlink()
