"""Tasks with asynchronous delivery, and their outcomes."""

from __future__ import annotations

import base64
import gc
import os
import subprocess
import sys
import weakref

import pytest

import tilewright
from support.tasks import asynchronous, new_tasks, poll_of, wait_for_outcome
from tilewright.testing import make_picture


def test_async_task_is_acknowledged_then_processing_then_success(upscaler, held_back):
    task = asynchronous(new_tasks(1)[0], taskType="upscale")
    acknowledgement = {"taskType": "upscale", "taskUUID": task["taskUUID"]}
    assert upscaler.run(task) == {"data": [acknowledgement]}
    assert upscaler.run(poll_of(task)) == {"data": [{**acknowledgement, "status": "processing"}]}
    held_back.set()
    [item] = wait_for_outcome(upscaler, task)["data"]
    assert (item["status"], item["taskType"]) == ("success", "upscale")
    assert base64.b64decode(item["imageBase64Data"]) == upscaler.store.get(item["imageUUID"])
    assert upscaler.run(poll_of(task))["data"] == [item], "polling again gives the same item"


def test_outcomes_are_told_when_tasks_end(upscaler, held_back, caplog):
    told = []

    def tell(task, outcome):
        told.append((task["taskUUID"], outcome))
        raise RuntimeError("nobody listens")

    later, failing, now = new_tasks(3)
    later, failing = asynchronous(later), asynchronous(failing, inputImage=b"no picture")
    upscaler.run([later, failing, {**now, "upscaleFactor": 7}, poll_of(later)], on_outcome=tell)
    assert told.count((later["taskUUID"], "ok")) == 1, "that is getResponse"
    held_back.set()
    for task in (later, failing):
        assert wait_for_outcome(upscaler, task)
    expected = [
        (later["taskUUID"], "accepted"),
        (failing["taskUUID"], "accepted"),
        (now["taskUUID"], "unsupportedUpscaleFactor"),
        (later["taskUUID"], "ok"),
        (later["taskUUID"], "ok"),
        (failing["taskUUID"], "invalidInputImage"),
    ]
    assert sorted(told) == sorted(expected)
    assert caplog.text.count("on_outcome failed") == len(expected)


def test_async_task_reserves_its_uuid_until_it_is_finished(upscaler, held_back):
    task = asynchronous(new_tasks(1)[0])
    upscaler.run(task)
    for again in (task, tilewright.new_task(b"", 2, taskUUID=task["taskUUID"])):
        assert [item["code"] for item in upscaler.run(again)["errors"]] == ["conflictTaskUUID"]
    held_back.set()
    wait_for_outcome(upscaler, task)
    assert upscaler.run(task)["data"] == [{"taskType": "imageUpscale", "taskUUID": task["taskUUID"]}]
    assert wait_for_outcome(upscaler, task)["data"][0]["status"] == "success"


def test_one_call_may_contain_a_task_and_the_poll_for_it(upscaler, held_back):
    task = asynchronous(new_tasks(1)[0])
    response = upscaler.run([poll_of(task), task])
    assert [item.get("status") for item in response["data"]] == ["processing", None]
    held_back.set()
    assert wait_for_outcome(upscaler, task)["data"][0]["status"] == "success"


def test_errors_of_an_async_task_are_kept(upscaler):
    task = asynchronous(new_tasks(1)[0], inputImage=b"no picture", model="auto")
    upscaler.run(task)
    response = wait_for_outcome(upscaler, task)
    assert response["data"] == []
    [item] = response["errors"]
    assert (item["code"], item["status"]) == ("invalidInputImage", "error")
    assert (item["taskUUID"], item["taskType"]) == (task["taskUUID"], "imageUpscale")


def test_system_exit_in_a_worker_fails_the_task(upscaler, monkeypatch):
    def exit_process(*_, **__):
        raise SystemExit(3)

    task = asynchronous(new_tasks(1)[0])
    with monkeypatch.context() as patch:
        patch.setattr(upscaler._pictures, "upscale_picture", exit_process)
        upscaler.run(task)
        [error] = wait_for_outcome(upscaler, task)["errors"]
    assert (error["code"], error["status"]) == ("internalServerError", "error")


def test_async_task_that_cannot_be_queued_fails_and_releases_its_uuid(upscaler, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    task = asynchronous(new_tasks(1)[0])
    with monkeypatch.context() as patch:
        patch.setattr(upscaler._runner._background, "accept", refuse)
        [error] = upscaler.run(task)["errors"]
    assert (error["code"], error["taskUUID"]) == ("internalServerError", task["taskUUID"])
    upscaler.run(task)
    assert wait_for_outcome(upscaler, task)["data"][0]["status"] == "success"


def test_deleted_result_is_reported_as_task_not_found(upscaler):
    task = asynchronous(new_tasks(1)[0])
    upscaler.run(task)
    upscaler.store.delete(wait_for_outcome(upscaler, task)["data"][0]["imageUUID"])
    [item] = upscaler.run(poll_of(task))["errors"]
    assert (item["code"], item["parameter"], item["status"]) == ("taskNotFound", "taskUUID", "error")
    assert (item["taskUUID"], item["taskType"]) == (task["taskUUID"], "imageUpscale")
    assert "no longer in the store" in item["message"]


def test_oldest_outcomes_are_read_from_the_store(upscaler, monkeypatch):
    monkeypatch.setattr("tilewright.service.background._MAX_OUTCOMES", 2)
    tasks = [asynchronous(task) for task in new_tasks(5)]
    outcomes = []
    for task in tasks:
        upscaler.run(task)
        outcomes.append(wait_for_outcome(upscaler, task))
    assert len(upscaler._runner._background._tasks) == 3
    assert [upscaler.run(poll_of(task)) for task in tasks] == outcomes


def test_kept_outcome_holds_no_picture(upscaler):
    picture = make_picture(12, 12)
    reference = weakref.ref(picture)
    task = asynchronous(tilewright.new_task(picture, 2))
    upscaler.run(task)
    wait_for_outcome(upscaler, task)
    del picture, task
    gc.collect()
    assert reference() is None


def test_closing_waits_for_async_tasks(small_tiles):
    tasks = [asynchronous(task) for task in new_tasks(4, side=60)]
    with small_tiles:
        small_tiles.run(tasks)
    statuses = [small_tiles.run(poll_of(task))["data"][0]["status"] for task in tasks]
    assert statuses == ["success"] * 4


def test_leaving_the_context_manager_by_an_exception_cancels_async_tasks(small_tiles):
    tasks = [asynchronous(task) for task in new_tasks(12, side=150)]

    def leave_by_exception():
        with small_tiles:
            small_tiles.run(tasks)
            raise KeyError("left")

    with pytest.raises(KeyError, match="left"):
        leave_by_exception()
    responses = [small_tiles.run(poll_of(task)) for task in tasks]
    assert not any(item["status"] == "processing" for response in responses for item in response["data"])
    assert "cancelled" in responses[-1]["errors"][0]["message"]
    [again] = [asynchronous(task) for task in new_tasks(1)]
    small_tiles.run(again)
    assert wait_for_outcome(small_tiles, again)["data"][0]["status"] == "success", "still usable"


PROCESS_THAT_EXITS = """
import sys
import tilewright
from tilewright import Upscaler
from tilewright.testing import make_picture
upscaler = Upscaler(device="cpu", store=sys.argv[1], tile=56)
tasks = [tilewright.new_task(make_picture(60 + i, 60), 2, deliveryMethod="async", outputFormat=f)
         for i, f in enumerate(["PNG", "JPG", "PNG", "JPG", "WEBP"])]
assert "errors" not in upscaler.run(tasks)
"""


def test_process_finishes_async_tasks_before_it_exits(tmp_path):
    command = [sys.executable, "-c", PROCESS_THAT_EXITS, str(tmp_path)]
    environment = os.environ | {"TILEWRIGHT_RUNTIME": "onnxruntime"}  # other runtimes take other tiles
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment)
    assert result.stderr.startswith("tilewright-photo: tiles of 56 x 56 pixels compute ")
    assert result.stderr.count("\n") == 1, "nothing but the warning about small tiles"
    suffixes = sorted(path.suffix for path in tmp_path.iterdir() if not path.name.startswith("record-task-"))
    inputs, results = [".png"] * 5, [".png", ".jpg", ".png", ".jpg", ".webp"]
    assert suffixes == sorted(inputs + results)


PROCESS_THAT_ADDS_TASKS_AT_ITS_END = """
import sys
import threading
import tilewright
from tilewright import Upscaler
from tilewright.testing import FakeSession, make_picture

upscaler = Upscaler(device="cpu", store=sys.argv[1])
upscaler._networks.session = lambda *_: FakeSession()
exit_waits, released = threading.Event(), threading.Event()
upscale_picture, wait = upscaler._pictures.upscale_picture, upscaler._runner._background.wait

def upscale_when_released(*arguments, **options):
    released.wait()
    return upscale_picture(*arguments, **options)

def wait_and_tell():
    exit_waits.set()
    wait()

upscaler._pictures.upscale_picture = upscale_when_released
upscaler._runner._background.wait = wait_and_tell
new_task = lambda: tilewright.new_task(make_picture(8, 8), 2, deliveryMethod="async", outputFormat="JPG")

def go_on():
    exit_waits.wait()
    task = new_task()
    print(list(upscaler.run(task)))
    released.set()
    threading.main_thread().join()
    print(upscaler.run({"taskType": "getResponse", "taskUUID": task["taskUUID"]})["data"][0]["status"])
    for tasks in (new_task(), [new_task(), new_task()], tilewright.new_task(make_picture(8, 8), 2)):
        print({error["message"] for error in upscaler.run(tasks)["errors"]})

upscaler.run(new_task())
threading.Thread(target=go_on).start()
"""


def test_tasks_sent_while_the_process_ends_are_finished_or_refused(tmp_path):
    command = [sys.executable, "-c", PROCESS_THAT_ADDS_TASKS_AT_ITS_END, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert result.stderr == ""
    refusal = '{"no task can be started any more, because the program\'s main thread has ended"}'
    assert result.stdout.splitlines() == ["['data']", "success", refusal, refusal, refusal]
