"""Places for pictures in memory."""

from __future__ import annotations

import contextlib
import threading

import pytest

from tilewright.errors import CancelledError
from tilewright.service.places import MAX_PICTURES, Places
from tilewright.service.requests import UploadRequest


def test_cancellation_ends_the_wait_for_a_place():
    """Pictures of other calls can hold the places for minutes."""
    places = Places(handler=None)
    request = UploadRequest(task_type="imageUpload", task_uuid="", image=b"")
    never, cancelled = threading.Event(), threading.Event()
    cancelled.set()
    with contextlib.ExitStack() as held:
        for _ in range(MAX_PICTURES):
            held.enter_context(places.take(request, never))
        with pytest.raises(CancelledError), places.take(request, cancelled):
            pass
    with places.take(request, never):
        pass
