"""Very many tasks, and very long ones: the work is linear, answers are short, and no caller waits for another's."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from concurrent.futures import Executor, Future
from dataclasses import replace

import pytest

import tilewright
from support.tasks import asynchronous, held_places, new_tasks, poll_of
from tilewright import Settings, Upscaler
from tilewright.service.background import BackgroundTasks
from tilewright.service.requests import ANONYMOUS, TaskKey, UpscaleRequest


@pytest.fixture
def limited(tmp_path):
    """Returns a function that makes an Upscaler with other limits than the default ones."""

    def make(**limits):
        return Upscaler(settings=replace(Settings.from_environment(), **limits), device="cpu", store=tmp_path)

    return make


class CountedFuture(Future):
    """A future that counts how often it is asked whether it is done."""

    asked = 0

    def done(self):
        CountedFuture.asked += 1
        return super().done()


class HeldExecutor(Executor):
    """Never runs what is submitted."""

    def submit(self, *_arguments, **_options):
        return CountedFuture()


def upscale_request(number):
    return UpscaleRequest(
        task_type="imageUpscale", task_uuid=f"{number:032x}", input_image=None, image_parameter="inputImage",
        upscale_factor=2, output_format="PNG", output_types=("URL",), output_quality=95, include_cost=False,
        check_nsfw=False, is_async=True, model=None,
    )  # fmt: skip


def test_accepting_a_request_does_not_look_at_all_the_others(monkeypatch):
    monkeypatch.setattr("threading._register_atexit", lambda _: None)
    monkeypatch.setattr(CountedFuture, "asked", 0)
    tasks = BackgroundTasks(HeldExecutor, HeldExecutor, outcomes=None, max_waiting=1000)
    for number in range(500):
        request = upscale_request(number)
        tasks.accept(TaskKey(ANONYMOUS, request.task_uuid), request, lambda _: [])
    assert CountedFuture.asked <= 500


def test_async_tasks_beyond_the_limit_are_refused_until_others_are_finished(limited):
    upscaler = limited(max_waiting_tasks=2)
    tasks = [asynchronous(task, inputImage=b"no picture") for task in new_tasks(4)]
    with held_places(upscaler):
        response = upscaler.run(tasks)
        assert [item["taskUUID"] for item in response["data"]] == [task["taskUUID"] for task in tasks[:2]]
        assert [item["code"] for item in response["errors"]] == ["rateLimitExceeded"] * 2
        assert [item["taskUUID"] for item in response["errors"]] == [task["taskUUID"] for task in tasks[2:]]
        assert "TILEWRIGHT_MAX_WAITING_TASKS" in response["errors"][0]["message"]
        assert upscaler.run(poll_of(tasks[3]))["errors"][0]["code"] == "taskNotFound"
    upscaler._runner.wait()
    assert "errors" not in upscaler.run(tasks[3]), "the taskUUID must be released"
    upscaler._runner.wait()


def test_call_with_too_many_tasks_runs_none_of_them(limited):
    upscaler = limited(max_tasks=3)
    tasks = new_tasks(4)
    response = upscaler.run(tasks)
    assert response["data"] == []
    [error] = response["errors"]
    assert error["code"] == "tooManyTasks"
    assert "4 tasks, the limit is 3" in error["message"]
    assert not upscaler._runner._reserved
    assert "errors" not in upscaler.run(tasks[:3])


def test_stream_of_too_many_tasks_is_refused(limited):
    async def main():
        return [envelope async for envelope in limited(max_tasks=3).astream(new_tasks(4))]

    [response] = asyncio.run(main())
    assert [error["code"] for error in response["errors"]] == ["tooManyTasks"]


def test_another_call_does_not_wait_while_tasks_are_parsed(upscaler, monkeypatch):
    """The other call is made while one is being parsed. With a lock around parsing, it would wait for ever."""
    from tilewright.service import runner

    parse, answers = runner.parse_task, []

    def parse_and_call(task, **options):
        if "slow" in task:
            thread = threading.Thread(
                target=lambda: answers.append(upscaler.run(poll_of(new_tasks(1)[0]))), daemon=True
            )
            thread.start()
            thread.join(timeout=20)
            assert answers
        return parse(task, **options)

    monkeypatch.setattr(runner, "parse_task", parse_and_call)
    [error] = upscaler.run({**new_tasks(1)[0], "slow": 1})["errors"]
    assert error["code"] == "unknownParameter"
    assert answers[0]["errors"][0]["code"] == "taskNotFound"


@pytest.mark.parametrize("field", ["taskUUID", "taskType"])
def test_answer_to_a_long_value_is_shorter_than_the_task(field, upscaler):
    """There are a hundred faults, and each would repeat the value."""
    task = tilewright.new_task(b"", 2, **{field: "x" * 1_000_000}, **{f"k{i}": i for i in range(200)})
    response = upscaler.run(task)
    assert len(json.dumps(response)) < 100_000
    assert len(response["errors"]) >= 1


def test_call_with_very_many_faults_reports_one_for_each_further_task(upscaler):
    tasks = [{**task, **{f"k{i}": i for i in range(100)}} for task in new_tasks(30)]
    response = upscaler.run(tasks)
    counts = Counter(error["taskUUID"] for error in response["errors"])
    assert [counts[task["taskUUID"]] for task in tasks] == [100] * 10 + [1] * 20


def test_list_of_very_many_unknown_output_types_is_not_read_to_its_end(upscaler, monkeypatch):
    from tilewright.service import parsing

    made = []
    monkeypatch.setattr(parsing, "short_repr", lambda value: made.append(value) or "x")
    response = upscaler.run(tilewright.new_task(b"", 2, outputType=[f"t{i}" for i in range(10_000)]))
    assert len(response["errors"]) == 100
    assert len(made) < 300
