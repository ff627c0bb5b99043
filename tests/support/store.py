"""The files of an image store, and their age."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec

from tilewright.store.image_store import ImageStore

HOUR = 3600


def stored_files(store: ImageStore) -> set[str]:
    """Returns the names of all files in the store."""
    file_system, root = fsspec.core.url_to_fs(store.location)
    return {Path(name).name for name in file_system.find(root)}


def set_age(store: ImageStore, image_uuid: str, seconds: float) -> None:
    """Sets the modification time of an image in a local folder to `seconds` ago."""
    path = Path(unquote(urlsplit(ImageStore(store.location).url(image_uuid)).path))
    then = time.time() - seconds
    os.utime(path, (then, then))
