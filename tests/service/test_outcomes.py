"""Outcomes in the store: other processes, other clients, processes that end."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import pytest

from support.tasks import asynchronous, new_tasks, poll_of, wait_for_outcome
from tilewright import Settings, Upscaler
from tilewright.errors import StoreError
from tilewright.service.heartbeat import Heartbeat
from tilewright.store import ImageStore
from tilewright.store.records import RECORD, Records

WEEK = 7 * 24 * 3600


@pytest.fixture
def upscaler(tmp_path):
    """An Upscaler whose store is a folder."""
    with Upscaler(device="cpu", store=tmp_path) as upscaler:
        yield upscaler


@pytest.fixture
def other(tmp_path):
    """An Upscaler on the same store, as another process would have."""
    with Upscaler(device="cpu", store=tmp_path) as other:
        yield other


def records_of(folder, kind):
    return sorted(folder.glob(f"{RECORD}{kind}*"))


def test_another_process_answers_for_a_task(upscaler, other, held_back):
    task = asynchronous(new_tasks(1)[0], outputType=["URL", "dataURI"], includeCost=True)
    upscaler.run(task)
    [item] = other.run(poll_of(task))["data"]
    assert item == {"taskType": "imageUpscale", "taskUUID": task["taskUUID"], "status": "processing"}
    held_back.set()
    expected = wait_for_outcome(upscaler, task)
    assert expected["data"][0]["status"] == "success"
    assert other.run(poll_of(task)) == expected


def test_another_process_answers_for_a_task_that_failed(upscaler, other):
    task = asynchronous(new_tasks(1)[0], inputImage=b"no picture")
    upscaler.run(task)
    expected = wait_for_outcome(upscaler, task)
    assert expected["errors"][0]["code"] == "invalidInputImage"
    assert other.run(poll_of(task)) == expected


def test_task_of_a_process_that_has_ended_is_reported_as_failed(upscaler, other, held_back, tmp_path):
    task = asynchronous(new_tasks(1)[0])
    upscaler.run(task)
    [sign_of_life] = records_of(tmp_path, "process")
    for last in (sign_of_life.unlink, lambda: os.utime(sign_of_life, (time.time() - 61,) * 2)):
        last()
        [error] = other.run(poll_of(task))["errors"]
        assert (error["code"], error["status"]) == ("internalServerError", "error")
        assert (error["taskUUID"], error["taskType"]) == (task["taskUUID"], "imageUpscale")
        assert error["message"].endswith("ended before it was finished; send it again")
        sign_of_life.touch()
    os.utime(sign_of_life, (time.time() - 59,) * 2)
    assert other.run(poll_of(task))["data"][0]["status"] == "processing"
    held_back.set()
    wait_for_outcome(upscaler, task)
    assert other.run(poll_of(task))["data"][0]["status"] == "success", "it was finished after all"


def test_signs_of_life_are_repeated_while_tasks_are_unfinished(upscaler, held_back, monkeypatch, tmp_path):
    monkeypatch.setattr("tilewright.service.heartbeat._INTERVAL", 0.01)
    upscaler.run(asynchronous(new_tasks(1)[0]))
    [record] = records_of(tmp_path, "process")
    old = int(time.time()) - 61  # the store removes records that are much older
    os.utime(record, (old, old))
    deadline = time.monotonic() + 20
    while record.stat().st_mtime == old:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    held_back.set()
    upscaler._runner.wait()
    assert records_of(tmp_path, "process") == []


def test_processes_have_names_of_their_own(upscaler):
    heartbeat = Heartbeat(upscaler._store)
    before = heartbeat.process
    heartbeat.reset_after_fork()
    assert before != heartbeat.process != Heartbeat(upscaler._store).process


def test_clients_do_not_know_each_others_tasks(upscaler, other, held_back):
    task, same_uuid = asynchronous(new_tasks(1)[0]), asynchronous(new_tasks(2)[1])
    same_uuid["taskUUID"] = task["taskUUID"]
    assert "errors" not in upscaler.run(task, client="a")
    assert upscaler.run(task, client="a")["errors"][0]["code"] == "conflictTaskUUID"
    assert "errors" not in upscaler.run(same_uuid, client="b")
    held_back.set()
    upscaler._runner.wait()
    for each in (upscaler, other):
        images = [each.run(poll_of(task), client=client)["data"][0]["imageUUID"] for client in "ab"]
        assert images[0] != images[1]
        assert each.run(poll_of(task), client="c")["errors"][0]["code"] == "taskNotFound"
        assert each.run(poll_of(task))["errors"][0]["code"] == "taskNotFound"


@pytest.mark.parametrize("client", ["", "../up", "a b", "a" * 65, "ä"])
def test_client_must_be_letters_digits_and_hyphens(upscaler, client):
    with pytest.raises(ValueError, match="client must be 1 to 64 letters, digits and hyphens"):
        upscaler.run([], client=client)


def test_clients_take_turns_with_async_tasks(upscaler, held_back, monkeypatch):
    order = []
    upscale = upscaler._runner._handler.upscale
    monkeypatch.setattr(
        upscaler._runner._handler,
        "upscale",
        lambda request, stop: order.append(request.task_uuid) or upscale(request, stop),
    )
    first = [asynchronous(task) for task in new_tasks(12)]
    second = [asynchronous(task) for task in new_tasks(2)]
    upscaler.run(first, client="a")
    upscaler.run(second, client="b")
    held_back.set()
    upscaler._runner.wait()
    places = sorted(order.index(task["taskUUID"]) for task in second)
    assert places[-1] < 8, "at most three tasks had begun before, and three run at the same time"
    assert sorted(order) == sorted(task["taskUUID"] for task in first + second)


def test_outcomes_of_other_tasks_are_kept_on_demand(upscaler, other):
    good, bad = new_tasks(2)
    bad["inputImage"] = b"no picture"
    response = upscaler.run([good, bad], keep=True)
    [item] = other.run(poll_of(good))["data"]
    assert item == {**response["data"][0], "status": "success"}
    [error] = other.run(poll_of(bad))["errors"]
    assert error == {**response["errors"][0], "status": "error"}
    [third] = new_tasks(1)
    upscaler.run(third)
    assert upscaler.run(poll_of(third))["errors"][0]["code"] == "taskNotFound"


def test_records_are_private_and_hold_neither_pictures_nor_secrets(tmp_path):
    secret = "https://example.org/?token=secret"
    task = asynchronous(new_tasks(1)[0], webhookURL=secret, uploadEndpoint=secret)
    settings = replace(Settings.from_environment(), send_results="public")
    upscaler = Upscaler(device="cpu", store=tmp_path, settings=settings)
    upscaler._runner._callbacks.tell = lambda *_: None  # sends nothing
    upscaler.run(task)
    wait_for_outcome(upscaler, task)
    [record] = records_of(tmp_path, f"task-anonymous-{task['taskUUID']}")
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.stat().st_size < 1000
    assert "token" not in record.read_text()


def test_records_are_removed_after_a_week(upscaler, tmp_path):
    task = asynchronous(new_tasks(1)[0])
    upscaler.run(task)
    wait_for_outcome(upscaler, task)
    [record] = records_of(tmp_path, f"task-anonymous-{task['taskUUID']}")
    for age, is_kept in ((WEEK - 60, True), (WEEK + 60, False)):
        os.utime(record, (time.time() - age,) * 2)
        upscaler.store.expire()
        assert record.exists() == is_kept


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_record_that_was_cut_off_counts_as_none(upscaler, content, tmp_path):
    task = asynchronous(new_tasks(1)[0])
    name = f"{RECORD}task-anonymous-{task['taskUUID']}.json"
    (tmp_path / name).write_bytes(content)
    assert upscaler.run(poll_of(task))["errors"][0]["code"] == "taskNotFound"


def test_records_work_in_any_file_system():
    records = ImageStore("memory://records-of-tasks").records
    assert records.read("a") is records.written("a") is None
    records.write("a", {"x": [1, None]})
    assert records.read("a") == {"x": [1, None]}
    assert records.written("a") is not None
    records.remove("a")
    records.remove("a")
    assert records.read("a") is None


def test_store_that_keeps_no_records_stops_no_task(upscaler, monkeypatch, caplog):
    def refuse(*_):
        raise StoreError("the disk is full")

    task = asynchronous(new_tasks(1)[0])
    with monkeypatch.context() as patch:
        patch.setattr(Records, "write", refuse)
        upscaler.run(task)
        assert wait_for_outcome(upscaler, task)["data"][0]["status"] == "success"
    messages = [record.getMessage() for record in caplog.records]
    assert any("would be lost if this process were killed: the disk is full" in each for each in messages)
    assert any("other processes cannot answer for task" in each for each in messages)


def test_record_of_a_finished_task_is_not_overwritten(upscaler, monkeypatch):
    """A task may be finished before its acceptance is recorded."""
    finished, write = threading.Event(), upscaler._runner._background.record

    def record_late(key):
        assert finished.wait(timeout=60)
        write(key)

    monkeypatch.setattr(upscaler._runner._background, "record", record_late)
    task = asynchronous(new_tasks(1)[0])
    thread = threading.Thread(target=upscaler.run, args=(task,))
    thread.start()
    while not (found := [each for each in upscaler._runner._background._tasks.values() if each.future.done()]):
        time.sleep(0.01)
    finished.set()
    thread.join()
    assert upscaler._runner._outcomes.find(found[0].key)[1].image_uuid == found[0].outcome().image_uuid
