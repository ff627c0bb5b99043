"""Cache folder of converted networks.

A file's name ends in the checksum of its content, so a damaged file is detected when it is read,
and two processes that convert the same network at once write the same bytes under the same name.
Files are written atomically, by a rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from typing import TYPE_CHECKING

from tilewright.errors import StoreError
from tilewright.folders import fallback_folder, is_own, make_fallback
from tilewright.store.atomic import LEFTOVER_SECONDS, atomic_write, remove_partial_files

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 16

_log = logging.getLogger("tilewright")


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
    pattern = f"{key}-{'[0-9a-f]' * _DIGITS}.onnx"
    for path in _matches(folder, pattern):
        try:
            if path.stem.endswith(_checksum(path.read_bytes())):
                return path
        except OSError:
            continue  # deleted since it was listed, or not readable
    return None


def _matches(folder: Path, pattern: str) -> list[Path]:
    """Returns the files of a pattern in the cache folder, and in the one that may take its place."""
    paths = []
    with contextlib.suppress(OSError):  # a folder of another user
        paths += sorted(folder.glob(pattern))
    if is_own(fallback := fallback_folder("cache")):
        paths += sorted(fallback.glob(pattern))
    return paths


def store(folder: Path, key: str, content: bytes) -> Path:
    """Writes a file; other processes may write the same key at the same time.

    If the folder cannot be written, the file goes to `fallback_folder`, and a warning is logged.
    Files that crashed writers have left in its folder are removed.

    Args:
        folder: The cache folder; it is created if it does not exist.
        key: See `find`.
        content: Content of the file.

    Returns:
        The path of the file.

    Raises:
        StoreError: Neither folder can be created or written.
    """
    name, fallback = f"{key}-{_checksum(content)}.onnx", fallback_folder("cache")
    try:
        if folder != fallback:
            return _write(folder / name, content)
        reason = "this user has no home folder"
    except OSError as error:
        reason = f"cannot write the converted network to the cache folder {folder}: {error}"
    try:
        path = _write(make_fallback("cache") / name, content)
    except OSError as error:
        raise StoreError(f"{reason}, nor to {fallback}: {error}; choose a folder with TILEWRIGHT_CACHE_DIR") from error
    _log.warning("%s; using %s; choose another folder with TILEWRIGHT_CACHE_DIR", reason, fallback)
    return path


def _write(path: Path, content: bytes) -> Path:
    with contextlib.suppress(OSError):  # reported when the file is written
        remove_partial_files(path.parent, older_than=time.time() - LEFTOVER_SECONDS)
    with atomic_write(path) as file:
        file.write(content)
    return path


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
