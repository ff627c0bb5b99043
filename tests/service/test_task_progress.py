"""Progress of tasks in Python: `on_progress` of `upscale`, `run` and `astream`."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

import pytest

import tilewright
from support.tasks import asynchronous, wait_for_outcome
from tilewright.errors import TilewrightError
from tilewright.testing import make_picture


async def streamed(upscaler, tasks, on_progress):
    data, errors = [], []
    async for response in upscaler.astream(tasks, on_progress=on_progress):
        data += response["data"]
        errors += response.get("errors", [])
    return {"data": data, "errors": errors}


CALLS = {
    "upscale": lambda upscaler, tasks, on_progress: upscaler.upscale(tasks, on_progress=on_progress),
    "run": lambda upscaler, tasks, on_progress: upscaler.run(tasks, on_progress=on_progress),
    "astream": lambda upscaler, tasks, on_progress: asyncio.run(streamed(upscaler, tasks, on_progress)),
}


@pytest.fixture(params=CALLS)
def call(request, small_tiles):
    return lambda tasks, on_progress: CALLS[request.param](small_tiles, tasks, on_progress)


def large_task():
    return tilewright.new_task(make_picture(100, 120, 3), 2)


def test_each_task_is_reported_from_no_tile_to_all_tiles(call):
    tasks, seen, threads = [large_task(), large_task()], defaultdict(list), set()

    def on_progress(task_uuid, progress):
        seen[task_uuid].append(progress)
        threads.add(threading.current_thread())

    assert len(call(tasks, on_progress)["data"]) == 2
    assert set(seen) == {task["taskUUID"] for task in tasks}
    for progress in seen.values():
        total = progress[0].total
        assert total > 3
        assert [(each.done, each.total) for each in progress] == [(done, total) for done in range(total + 1)]
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("error", "code"),
    [(TilewrightError("enough", code="imageTooLarge"), "imageTooLarge"), (KeyError("x"), "internalServerError")],
)
def test_an_exception_stops_that_task_only(call, error, code):
    stopped, other = large_task(), large_task()
    done = []

    def on_progress(task_uuid, progress):
        if task_uuid == stopped["taskUUID"]:
            done.append(progress.done)
            if progress.done == 1:
                raise error

    response = call([stopped, other], on_progress)
    assert [item["taskUUID"] for item in response["data"]] == [other["taskUUID"]]
    assert [(item["taskUUID"], item["code"]) for item in response["errors"]] == [(stopped["taskUUID"], code)]
    assert done == [0, 1]


def test_asynchronous_tasks_are_not_reported(small_tiles):
    task, seen = asynchronous(large_task()), []
    small_tiles.run(task, on_progress=lambda *arguments: seen.append(arguments))
    assert "errors" not in wait_for_outcome(small_tiles, task)
    assert seen == []
