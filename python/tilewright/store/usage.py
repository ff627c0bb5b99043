"""What a store contains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreUsage:
    """What a store contains, expired images included.

    Attributes:
        images: Number of images.
        bytes: Their total size.
        temporary: Number of temporary images among them, see `ImageStore.writer`.
    """

    images: int
    bytes: int
    temporary: int
