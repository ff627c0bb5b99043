"""Cache folder of converted networks.

A file's name ends in the checksum of its content, so two processes that convert the same network at
once write the same bytes under the same name. Files are written atomically, by a rename. A file that
is damaged, or that somebody else has put there, is detected by a checksum that does not come from
the cache.
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


def find(folder: Path, key: str, sha256: str) -> Path | None:
    """Finds the file stored under a key, if it has the expected content.

    A damaged file is not deleted: the next conversion replaces it, and deleting it here could
    delete a file that another process has just written.

    Args:
        folder: The cache folder; it need not exist.
        key: Name that identifies everything the content depends on: letters, digits, ``-``, ``_``
            and ``.``.
        sha256: Checksum of the content.

    Returns:
        The path, or None if there is no such file.
    """
    folders = [folder]
    if is_own(fallback := fallback_folder("cache")):
        folders.append(fallback)
    paths = [_path(each, key, sha256) for each in folders]
    return next((path for path in paths if _has_content(path, sha256)), None)


def store(folder: Path, key: str, content: bytes) -> Path:
    """Writes a file, unless it exists; other processes may write the same key at the same time.

    If the folder cannot be written, the file goes to `fallback_folder`, and a warning is logged. Files
    that crashed writers have left in it are removed.

    Args:
        folder: The cache folder; it is created if it does not exist.
        key: See `find`.
        content: Content of the file.

    Returns:
        The path of the file.

    Raises:
        StoreError: Neither folder can be created or written.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    if (found := find(folder, key, sha256)) is not None:
        return found
    fallback = fallback_folder("cache")
    try:
        if folder != fallback:
            return _write(_path(folder, key, sha256), content)
        reason = "this user has no home folder"
    except OSError as error:
        reason = f"cannot write the converted network to the cache folder {folder}: {error}"
    try:
        path = _write(_path(make_fallback("cache"), key, sha256), content)
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


def _path(folder: Path, key: str, sha256: str) -> Path:
    return folder / f"{key}-{sha256[:_DIGITS]}.onnx"


def _has_content(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:  # it does not exist, or cannot be read
        return False
