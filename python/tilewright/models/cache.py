"""Cache folder of converted networks.

A file's name ends in the checksum of its content, so a damaged file is detected when it is read,
and two processes that convert the same network at once write the same bytes under the same name.
Files are written atomically, by a rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from typing import TYPE_CHECKING

from tilewright.errors import StoreError
from tilewright.store.atomic import LEFTOVER_SECONDS, atomic_write, remove_partial_files

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 16


def find(folder: Path, key: str) -> Path | None:
    """Finds the file stored under a key.

    A damaged file is not deleted: the next conversion replaces it, and deleting it here could
    delete a file that another process has just written.

    Args:
        folder: The cache folder; it need not exist.
        key: Name that identifies everything the content depends on: letters, digits, ``-``, ``_``
            and ``.``.

    Returns:
        The path, or None if there is no undamaged file.
    """
    for path in sorted(folder.glob(f"{key}-{'[0-9a-f]' * _DIGITS}.onnx")):
        try:
            if path.stem.endswith(_checksum(path.read_bytes())):
                return path
        except OSError:
            continue  # deleted since it was listed, or not readable
    return None


def store(folder: Path, key: str, content: bytes) -> Path:
    """Writes a file; other processes may write the same key at the same time.

    Files that crashed writers have left in the folder are removed.

    Args:
        folder: The cache folder; it is created if it does not exist.
        key: See `find`.
        content: Content of the file.

    Returns:
        The path of the file.

    Raises:
        StoreError: The folder cannot be created or written.
    """
    path = folder / f"{key}-{_checksum(content)}.onnx"
    with contextlib.suppress(OSError):  # reported when the file is written
        remove_partial_files(folder, older_than=time.time() - LEFTOVER_SECONDS)
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise StoreError(
            f"cannot write the converted network to the cache folder {folder}: {error}; "
            "choose another folder with TILEWRIGHT_CACHE_DIR"
        ) from error
    return path


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
