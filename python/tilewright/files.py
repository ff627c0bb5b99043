"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that appears under its name only when all of it is on the disk.

    It is written beside its place under a name that nobody else uses, and renamed: a file of that name is replaced at
    once, and after a crash at most a hidden ``.partial`` file is left.

    Args:
        path: the file; its folder is made when absent.
        data: its content.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: those are for their owner's eyes only, and the file would keep that.
    partial = path.parent / f".{uuid.uuid4().hex}.partial"
    file = partial.open("xb")
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
