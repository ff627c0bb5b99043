"""A training's state on disk: there whole or not at all, so that it may be killed at any moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from tilewright.store.atomic import remove_left_overs, whole_file

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, state: dict[str, Any]) -> None:
    """Replaces a checkpoint."""
    remove_left_overs(path.parent, older_than=time.time() - 3600)
    with whole_file(path) as file:
        torch.save(state, file)


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; only tensors and plain values are taken from it."""
    return dict(torch.load(path, map_location="cpu", weights_only=True))
