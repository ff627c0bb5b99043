"""The module-level calls, on an `Upscaler` that is made when it is first needed.

Its first use can raise what making one can: `SettingsError` and `DeviceError`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tilewright.service.runner import Tasks

_lock = threading.Lock()
_upscaler: Upscaler | None = None


def _default() -> Upscaler:
    global _upscaler
    with _lock:
        if _upscaler is None:
            _upscaler = Upscaler()
        return _upscaler


def upscale(task: Tasks) -> dict[str, Any]:
    """Runs ``imageUpscale`` requests: see `Upscaler.upscale`."""
    return _default().upscale(task)


def run(tasks: Tasks) -> dict[str, Any]:
    """Runs requests of any kind: see `Upscaler.run`."""
    return _default().run(tasks)


async def aupscale(task: Tasks) -> dict[str, Any]:
    """`upscale` for asyncio: see `Upscaler.aupscale`."""
    return await _default().aupscale(task)


async def arun(tasks: Tasks) -> dict[str, Any]:
    """`run` for asyncio: see `Upscaler.arun`."""
    return await _default().arun(tasks)


def astream(tasks: Tasks) -> AsyncIterator[dict[str, Any]]:
    """Yields the envelope of each request as it is finished: see `Upscaler.astream`."""
    return _default().astream(tasks)


def upload(image: object) -> dict[str, Any]:
    """Stores a picture for later requests: see `Upscaler.upload`."""
    return _default().upload(image)
