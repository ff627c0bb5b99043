"""Claims on output files, so that several processes can share the work on one folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from tilewright.store.atomic import lock
from tilewright.unfinished import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def claimed(target: Path) -> Iterator[bool]:
    """Claims an output file until the block ends.

    The claim is a lock on a hidden file beside the output, which ends with the process that holds
    it, however it ends. A file left by a crash is in nobody's way and is removed like partial
    files, see `remove_partial_files`.

    Args:
        target: The output file. Its folder is created if it is missing.

    Yields:
        Whether this process has the claim; False if another one has it. Always True where files
        cannot be locked: on Windows, and on some network file systems.

    Raises:
        OSError: The folder is not writable.
    """
    if os.name != "posix":
        yield True
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]
    claim = target.parent / f".{digest}.claim"
    descriptor = _lock(claim)
    if descriptor is None:
        yield False
        return
    unfinished.add(claim)
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):
            claim.unlink()
        os.close(descriptor)
        unfinished.discard(claim)


def _lock(claim: Path) -> int | None:
    """Returns the descriptor of the locked file; None if another process has locked it."""
    while True:
        try:
            descriptor = os.open(claim, os.O_RDONLY | os.O_CREAT, 0o666)
        except PermissionError:
            if os.path.lexists(claim):  # another user's
                return None
            raise
        if not lock(descriptor):
            os.close(descriptor)
            return None
        # The last holder may have removed the file before it was locked here.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), claim.stat()):
                return descriptor
        os.close(descriptor)
