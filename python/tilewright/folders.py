"""The user's folders, and what takes their place where there is none or it cannot be written."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Literal

import platformdirs

Kind = Literal["cache", "images", "models"]


def user_folder(kind: Kind) -> Path:
    """Returns the user's folder; `fallback_folder` if the user has no home.

    Args:
        kind: ``"cache"`` for converted networks, ``"images"`` for the image store, ``"models"`` for
            imported networks.
    """
    # Without the variable HOME and an entry in the password database, "~" has no meaning. Some
    # versions of platformdirs raise then, others return it as it is: a folder of that name.
    with contextlib.suppress(RuntimeError):
        if kind == "cache":
            path = platformdirs.user_cache_path("tilewright")
        else:
            path = platformdirs.user_data_path("tilewright") / kind
        if path.is_absolute():
            return path
    return fallback_folder(kind)


def fallback_folder(kind: Kind) -> Path:
    """Returns a folder of this user among the temporary files; it need not exist."""
    try:
        parent = Path(tempfile.gettempdir())
    except OSError:  # no folder can be written; whoever uses this one will report it
        parent = Path("/tmp")
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    return parent / f"tilewright{user}" / kind


def make_fallback(kind: Kind) -> Path:
    """Creates `fallback_folder`, which only this user can read and write.

    Raises:
        OSError: It cannot be created, or belongs to somebody else.
    """
    folder = fallback_folder(kind)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if not is_own(folder):
        raise PermissionError(f"{folder.parent} belongs to another user or is open to others")
    folder.mkdir(exist_ok=True)
    return folder


def is_own(folder: Path) -> bool:
    """Returns whether a fallback folder exists and no other user can have put files there.

    Anybody can create a folder of that name among the temporary files.
    """
    try:
        status = folder.parent.lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):  # on Windows, temporary files are in the user's own folder
        return True
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def is_writable(folder: Path) -> bool:
    """Returns whether files can be created in a folder, which may have to be created first."""
    # Not Path.exists, which raises an error below a folder that may not be searched.
    existing = next((path for path in (folder, *folder.parents) if os.access(path, os.F_OK)), folder)
    return os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK)  # noqa: PTH112
