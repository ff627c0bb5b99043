"""Places for pictures in memory."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from tilewright.errors import CancelledError
from tilewright.service.places import MAX_PICTURES, Places
from tilewright.service.requests import ANONYMOUS, UploadRequest


def test_cancellation_ends_the_wait_for_a_place():
    """Pictures of other calls can hold the places for minutes."""
    places = Places(handler=None)
    request = UploadRequest(task_type="imageUpload", task_uuid="", image=b"")
    never, cancelled = threading.Event(), threading.Event()
    cancelled.set()
    with contextlib.ExitStack() as held:
        for _ in range(MAX_PICTURES):
            held.enter_context(places.take(request, never, ANONYMOUS))
        with pytest.raises(CancelledError), places.take(request, cancelled, ANONYMOUS):
            pass
    with places.take(request, never, ANONYMOUS):
        pass


def test_clients_take_turns():
    places, never = Places(handler=None), threading.Event()
    request = UploadRequest(task_type="imageUpload", task_uuid="", image=b"")
    order = []

    def work(client):
        with places.take(request, never, client):
            order.append(client)

    with contextlib.ExitStack() as held:
        for _ in range(MAX_PICTURES - 1):
            held.enter_context(places.take(request, never, ANONYMOUS))
        with places.take(request, never, ANONYMOUS):
            threads = []
            for client in "aaabbc":
                threads.append(threading.Thread(target=work, args=(client,)))
                threads[-1].start()
                while len(places._pictures._waiting) < len(threads):  # so that they come in this order
                    time.sleep(0.001)
        for thread in threads:
            thread.join()
    assert "".join(order) == "abcaba"
