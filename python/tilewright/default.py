"""The module-level calls, on an `Upscaler` that is made when it is first needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tilewright.models.source import list_models
from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_lock = threading.Lock()
_upscaler: Upscaler | None = None


def _default() -> Upscaler:
    global _upscaler
    with _lock:
        if _upscaler is None:
            _upscaler = Upscaler()
        return _upscaler


def upscale(task: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Runs ``imageUpscale`` requests: see `Upscaler.upscale`."""
    return _default().upscale(task)


def run(tasks: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Runs requests of any kind: see `Upscaler.run`."""
    return _default().run(tasks)


def upload(image: object) -> dict[str, Any]:
    """Stores a picture for later requests: see `Upscaler.upload`."""
    return _default().upload(image)


def models() -> list[dict[str, Any]]:
    """The networks that can be named.

    Returns:
        One dict for each: ``name``, ``summary``, ``scales``, ``licence``, ``source``, ``package`` and ``installed``.
    """
    return list_models()
