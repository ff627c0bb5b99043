"""Makes tasks, and waits for them."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import tilewright
from tilewright.service.places import MAX_PICTURES
from tilewright.service.requests import ANONYMOUS
from tilewright.testing import make_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright import Upscaler

Task = dict[str, Any]


def new_tasks(count: int, side: int = 12) -> list[Task]:
    """Makes tasks with a factor of 2 and results in base64. Each picture is one row higher than the previous one."""
    return [tilewright.new_task(make_picture(side + i, side), 2, outputType="base64Data") for i in range(count)]


def upload_of(picture: object) -> Task:
    """Makes a task that uploads a picture."""
    return {"taskType": "imageUpload", "taskUUID": tilewright.new_task(b"")["taskUUID"], "image": picture}


def asynchronous(task: Task, **fields: Any) -> Task:
    """Returns a copy of a task with asynchronous delivery and further fields."""
    return {**task, "deliveryMethod": "async", **fields}


def poll_of(task: Task) -> Task:
    """Makes a task that asks for the outcome of an asynchronous task."""
    return {"taskType": "getResponse", "taskUUID": task["taskUUID"]}


def wait_for_outcome(upscaler: Upscaler, task: Task) -> dict[str, Any]:
    """Polls until an asynchronous task is finished, and returns the last response."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        response = upscaler.run(poll_of(task))
        if [item.get("status") for item in response["data"]] != ["processing"]:
            return response
        time.sleep(0.005)
    raise AssertionError("still processing")


@contextlib.contextmanager
def held_places(upscaler: Upscaler) -> Iterator[None]:
    """Lets no picture into memory inside the block."""
    with contextlib.ExitStack() as held:
        for _ in range(MAX_PICTURES):
            held.enter_context(upscaler._runner._places._pictures.held(ANONYMOUS, threading.Event()))
        yield


def network_becomes_idle(upscaler: Upscaler) -> bool:
    """Waits up to 20 seconds until no network runs. Returns False if one still runs."""
    acquired = upscaler._networks._running.acquire(timeout=20)
    upscaler._networks._running.release()
    return acquired


def all_tasks_finish(upscaler: Upscaler) -> bool:
    """Waits up to 20 seconds until no task is in progress. Returns False if one still is."""
    deadline = time.monotonic() + 20
    while upscaler._runner._reserved and time.monotonic() < deadline:
        time.sleep(0.01)
    return not upscaler._runner._reserved
