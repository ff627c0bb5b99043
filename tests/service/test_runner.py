"""Synchronous calls: order, overlap, taskUUIDs, several threads."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

import numpy as np
import pytest

import tilewright
from support.tasks import new_tasks
from support.threads import run_in_threads
from tilewright.errors import CancelledError
from tilewright.testing import make_picture


def test_envelope_has_the_order_of_the_tasks(upscaler):
    tasks = new_tasks(8)
    tasks[3]["upscaleFactor"] = 7
    response = upscaler.run(tasks)
    assert [item["taskUUID"] for item in response["data"]] == [
        task["taskUUID"] for i, task in enumerate(tasks) if i != 3
    ]
    assert [item["taskUUID"] for item in response["errors"]] == [tasks[3]["taskUUID"]]


def test_one_picture_is_decoded_while_another_is_in_the_network(upscaler, monkeypatch):
    """The network waits until both pictures are decoded, which would never happen if tasks ran in sequence."""
    decoded = threading.Barrier(2, timeout=20)
    upscale_picture = upscaler._pictures.upscale_picture

    def wait_until_both_are_decoded(*arguments, **options):
        decoded.wait()
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", wait_until_both_are_decoded)
    assert "errors" not in upscaler.run(new_tasks(2))


def test_at_most_three_pictures_are_decoded_at_a_time(upscaler, held_back, monkeypatch):
    decoded = []
    read = upscaler._runner._handler._read
    monkeypatch.setattr(upscaler._runner._handler, "_read", lambda *a: (decoded.append(1), read(*a))[1])
    results = []
    threads = [threading.Thread(target=lambda task=task: results.append(upscaler.run(task))) for task in new_tasks(12)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(decoded) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # a fourth would start within this time
    assert len(decoded) == 3
    held_back.set()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 12
    assert not any("errors" in result for result in results)


def test_task_uuid_is_reserved_while_the_task_runs(upscaler, monkeypatch):
    task = new_tasks(1)[0]
    codes = []
    upscale_picture = upscaler._pictures.upscale_picture

    def send_again(*arguments, **options):
        codes.append(upscaler.run(dict(task))["errors"][0]["code"])
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", send_again)
    assert "errors" not in upscaler.run(task)
    assert codes == ["conflictTaskUUID"]
    monkeypatch.undo()
    assert "errors" not in upscaler.run(task), "the taskUUID must be released"


def test_values_that_cannot_be_compared_are_faults_and_do_not_affect_other_tasks(upscaler):
    """Comparing an array with a string gives an array, which has no truth value."""
    task, invalid = new_tasks(1)[0], tilewright.new_task(b"", 2, taskType=np.array([1, 2]), checkNSFW=np.array([1, 2]))
    response = upscaler.run([task, invalid])
    assert [item["taskUUID"] for item in response["data"]] == [task["taskUUID"]]
    assert "errors" not in upscaler.run(task), "the taskUUID must be released"
    [error] = upscaler.run(tilewright.new_task(make_picture(4, 4), 2, checkNSFW=np.array([1, 2])))["errors"]
    assert error["code"] == "invalidCheckNSFW"


def test_upscale_refuses_get_response_tasks(upscaler):
    response = upscaler.upscale({"taskType": "getResponse", "taskUUID": new_tasks(1)[0]["taskUUID"]})
    assert [item["code"] for item in response["errors"]] == ["unsupportedTaskType"]


def test_ctrl_c_in_one_task_stops_all_tasks(upscaler, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", interrupt)
    with pytest.raises((KeyboardInterrupt, CancelledError)):
        upscaler.run(new_tasks(4))


def test_many_threads_and_event_loops_share_one_upscaler(upscaler):
    results = []

    def run_in_event_loop(count):
        async def main():
            responses = await asyncio.gather(*(upscaler.aupscale(task) for task in new_tasks(count)))
            results.extend(responses)

        asyncio.run(main())

    def run_in_thread(count):
        results.extend(upscaler.run(task) for task in new_tasks(count))

    run_in_threads(*[partial(run_in_event_loop, 4)] * 4, *[partial(run_in_thread, 4)] * 12)
    assert len(results) == 64
    assert not any("errors" in response for response in results)
