"""The folder of converted networks: every file is whole, or absent.

A file's name ends in the checksum of its content, so damage is found when it is read, and two processes that convert
the same network at once write the same bytes under the same name. A file appears by a rename, never half-written.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tilewright.errors import StoreError
from tilewright.store.atomic import whole_file

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 16


def find(folder: Path, key: str) -> Path | None:
    """The undamaged file stored under `key`, or None.

    A damaged file is left where it is: making it again writes the same name, and removing it here could remove what
    another process has just made.

    Args:
        folder: the cache; it need not exist.
        key: a name that says everything the content depends on; letters, digits, ``-``, ``_`` and ``.``.
    """
    for path in sorted(folder.glob(f"{key}-{'[0-9a-f]' * _DIGITS}.onnx")):
        try:
            if path.stem.endswith(_checksum(path.read_bytes())):
                return path
        except OSError:
            # Gone since it was listed, or not ours to read: either way of no use here.
            continue
    return None


def store(folder: Path, key: str, content: bytes) -> Path:
    """Writes `content` under `key` and returns its path; safe beside other processes that do the same.

    Raises:
        StoreError: the folder cannot be made or written.
    """
    path = folder / f"{key}-{_checksum(content)}.onnx"
    try:
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise StoreError(
            f"The converted network cannot be written to the cache folder {folder}: {error}. "
            "Choose another with TILEWRIGHT_CACHE_DIR."
        ) from error
    return path


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
