"""Checkpoint files, written atomically: the training process may be killed at any time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from tilewright.store.atomic import atomic_write, remove_partial_files

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes or replaces a checkpoint, and deletes temporary files of killed processes."""
    remove_partial_files(path.parent, older_than=time.time() - 3600)
    with atomic_write(path) as file:
        torch.save(state, file)


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint to the CPU. Only tensors and plain values are unpickled."""
    return dict(torch.load(path, map_location="cpu", weights_only=True))
