"""Removes images and records that are not needed any more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tilewright.store.atomic import LEFTOVER_SECONDS
from tilewright.store.identifiers import is_image
from tilewright.store.records import KEPT_SECONDS, RECORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewright.store.backends import Backend

# Time between the expiry of an image and its removal. It covers a reader that found the image just
# before it expired, and clock differences between machines that share a store.
_GRACE_SECONDS = 60


def clean(
    backend: Backend, now: float, ttl_of: Callable[[str], float | None], *, prefix: str, unused_for: float | None
) -> int:
    """Removes expired images, old records, and partial files of crashed writers.

    Args:
        backend: Where they are.
        now: The time in seconds since 1970.
        ttl_of: Returns the time to live of an image's file in seconds; None if it never expires.
        prefix: Only images whose names begin with it are looked at.
        unused_for: Images and records that have not been used for so many seconds are removed too;
            0 for all, None for none.

    Returns:
        The number of images that were removed.

    Raises:
        PermissionError: A file cannot be removed. All others have been.
        Exception: The backend's own.
    """

    def is_unused(modified: float) -> bool:
        return unused_for == 0 or (unused_for is not None and modified <= now - unused_for)

    removed = 0
    forbidden: PermissionError | None = None
    backend.remove_partial_files(older_than=now - LEFTOVER_SECONDS)
    for name, modified, _ in backend.list_files(prefix):
        ttl = ttl_of(name)
        is_expired = ttl is not None and modified < now - ttl - _GRACE_SECONDS
        if is_image(name) and (is_expired or is_unused(modified)):
            try:
                backend.remove(name)
                removed += 1
            except FileNotFoundError:  # another process was faster
                pass
            except PermissionError as error:  # another user's, or open on Windows: reported at the end
                forbidden = error
    for name, modified, _ in backend.list_files(RECORD):
        if modified < now - KEPT_SECONDS or is_unused(modified):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                backend.remove(name)
    if forbidden is not None:
        raise forbidden
    return removed
