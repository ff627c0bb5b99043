"""Opens the image store that a caller or the settings name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.errors import StoreError
from tilewright.folders import fallback_folder, is_writable, make_fallback, user_folder
from tilewright.store.image_store import ImageStore

if TYPE_CHECKING:
    import os

_log = logging.getLogger("tilewright")


def open_store(
    store: ImageStore | str | os.PathLike[str], *, ttl: int | None = None, public_url: str | None = None
) -> ImageStore:
    """Opens a store.

    The user's own folder is replaced by `fallback_folder` if it cannot be written, and a warning is
    logged.

    Args:
        store: An `ImageStore`, which is returned as it is, a folder or an fsspec URL.
        ttl: See `ImageStore`.
        public_url: See `ImageStore`.

    Raises:
        StoreError: The store cannot be opened.
    """
    if isinstance(store, ImageStore):
        return store
    if store == str(user_folder("images")):
        store = _writable(Path(store))
    return ImageStore(store, ttl=ttl, public_url=public_url)


def _writable(default: Path) -> Path:
    fallback = fallback_folder("images")
    if default != fallback and is_writable(default):
        return default
    reason = "this user has no home folder" if default == fallback else f"the image store {default} cannot be written"
    try:
        fallback = make_fallback("images")
    except OSError as error:
        raise StoreError(f"{reason}, nor can {fallback} ({error}); choose a folder with TILEWRIGHT_STORE") from error
    _log.warning("%s; images are kept in %s; choose another folder with TILEWRIGHT_STORE", reason, fallback)
    return fallback
