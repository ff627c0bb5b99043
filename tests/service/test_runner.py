"""Requests several at a time: order, overlap, asyncio, stopping, answers later, what they cost."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import tilewright
from tilewright import Settings, Upscaler
from tilewright.errors import CancelledError
from tilewright.pricing import Price
from tilewright.testing import make_picture


def tasks_of(count, side=12):
    return [tilewright.new_task(make_picture(side + i, side), 2, outputType="base64Data") for i in range(count)]


@pytest.fixture
def small_tiles(tmp_path):
    """Pictures of 100 pixels take many tiles here."""
    return Upscaler(device="cpu", tile=40, store=tmp_path / "images")


def test_the_envelope_keeps_the_order_of_the_tasks(upscaler):
    tasks = tasks_of(8)
    tasks[3]["upscaleFactor"] = 7
    response = upscaler.run(tasks)
    assert [item["taskUUID"] for item in response["data"]] == [
        task["taskUUID"] for i, task in enumerate(tasks) if i != 3
    ]
    assert [item["taskUUID"] for item in response["errors"]] == [tasks[3]["taskUUID"]]


def test_one_picture_is_decoded_while_another_is_in_the_network(upscaler, monkeypatch):
    """Either network waits until both pictures are decoded; with one task after the other that would never be."""
    decoded = threading.Barrier(2, timeout=20)
    upscale_picture = upscaler._pictures.upscale_picture

    def when_both_are_decoded(*arguments, **options):
        decoded.wait()
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", when_both_are_decoded)
    assert "errors" not in upscaler.run(tasks_of(2))


def test_a_task_under_way_keeps_its_uuid_to_itself(upscaler, monkeypatch):
    task = tasks_of(1)[0]
    seen = []
    upscale_picture = upscaler._pictures.upscale_picture

    def meanwhile(*arguments, **options):
        seen.append(upscaler.run(dict(task))["errors"][0]["code"])
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", meanwhile)
    assert "errors" not in upscaler.run(task)
    assert seen == ["conflictTaskUUID"]
    monkeypatch.undo()
    assert "errors" not in upscaler.run(task), "free again"


def test_asyncio_is_served_beside_the_event_loop(upscaler):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        response = await upscaler.aupscale(tasks_of(3, side=100))
        ticking.cancel()
        return response, ticks

    response, ticks = asyncio.run(main())
    assert len(response["data"]) == 3
    assert ticks > 3


def test_a_stream_gives_every_task_its_envelope(upscaler):
    tasks = [*tasks_of(5), tilewright.new_task("no picture.png", 2)]

    async def main():
        return [envelope async for envelope in upscaler.astream(tasks)]

    envelopes = asyncio.run(main())
    uuids = {(envelope["data"] or envelope["errors"])[0]["taskUUID"] for envelope in envelopes}
    assert uuids == {task["taskUUID"] for task in tasks}
    assert sum("errors" in envelope for envelope in envelopes) == 1


def idle(upscaler):
    """Waits for the network to be free, and tells whether it soon is."""
    got = upscaler._networks._running.acquire(timeout=20)
    upscaler._networks._running.release()
    return got


def at_rest(upscaler):
    """Waits for every task to be done with, and tells whether they soon are."""
    deadline = time.monotonic() + 20
    while upscaler._runner._reserved and time.monotonic() < deadline:
        time.sleep(0.01)
    return not upscaler._runner._reserved


def test_cancelling_stops_within_a_tile_and_stores_nothing(small_tiles, tmp_path, monkeypatch):
    began, cancelled = threading.Event(), threading.Event()
    heard = []
    upscale_picture = small_tiles._pictures.upscale_picture

    def watched(picture, enlargement, *, on_progress, **options):
        def listen(progress):
            heard.append(progress.done)
            if progress.done == 2:
                began.set()
                assert cancelled.wait(timeout=20)
            on_progress(progress)

        return upscale_picture(picture, enlargement, on_progress=listen, **options)

    monkeypatch.setattr(small_tiles._pictures, "upscale_picture", watched)
    small_tiles.session(factor=2)

    async def main():
        work = asyncio.create_task(small_tiles.aupscale(tasks_of(1, side=200)))
        await asyncio.to_thread(began.wait, 20)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        cancelled.set()

    asyncio.run(main())
    assert at_rest(small_tiles)
    assert heard[-1] == 2
    assert list((tmp_path / "images").iterdir()) == [], "nor the input"


def test_leaving_a_stream_early_stops_the_rest(small_tiles):
    async def main():
        async with contextlib.aclosing(small_tiles.astream(tasks_of(12, side=100))) as stream:
            return await anext(stream)

    assert "errors" not in asyncio.run(main())
    assert idle(small_tiles)
    assert "errors" not in small_tiles.run(tasks_of(1)), "still usable"


def test_ctrl_c_in_one_of_several_tasks_stops_all(upscaler, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", interrupted)
    with pytest.raises((KeyboardInterrupt, CancelledError)):
        upscaler.run(tasks_of(4))


def test_many_threads_and_event_loops_share_one_upscaler(upscaler):
    results = []

    def in_a_loop(count):
        async def main():
            responses = await asyncio.gather(*(upscaler.aupscale(task) for task in tasks_of(count)))
            results.extend(responses)

        asyncio.run(main())

    def in_a_thread(count):
        results.extend(upscaler.run(task) for task in tasks_of(count))

    threads = [threading.Thread(target=target, args=(4,)) for target in [in_a_loop] * 4 + [in_a_thread] * 12]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 64
    assert not any("errors" in response for response in results)


def later(task, **fields):
    return {**task, "deliveryMethod": "async", **fields}


def poll_of(task):
    return {"taskType": "getResponse", "taskUUID": task["taskUUID"]}


def until_done(upscaler, task):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        reply = upscaler.run(poll_of(task))
        if [item.get("status") for item in reply["data"]] != ["processing"]:
            return reply
        time.sleep(0.005)
    raise AssertionError("still processing")


def test_a_task_for_later_is_acknowledged_then_processing_then_done(upscaler, held_back):
    task = later(tasks_of(1)[0], taskType="upscale")
    named = {"taskType": "upscale", "taskUUID": task["taskUUID"]}
    assert upscaler.run(task) == {"data": [named]}
    assert upscaler.run(poll_of(task)) == {"data": [{**named, "status": "processing"}]}
    held_back.set()
    [item] = until_done(upscaler, task)["data"]
    assert (item["status"], item["taskType"]) == ("success", "upscale")
    assert base64.b64decode(item["imageBase64Data"]) == upscaler.store.get(item["imageUUID"])
    assert upscaler.run(poll_of(task))["data"] == [item], "as often as one likes"


def test_a_task_for_later_keeps_its_uuid_until_it_is_done(upscaler, held_back):
    task = later(tasks_of(1)[0])
    upscaler.run(task)
    for again in (task, tilewright.new_task(b"", 2, taskUUID=task["taskUUID"])):
        assert [item["code"] for item in upscaler.run(again)["errors"]] == ["conflictTaskUUID"]
    held_back.set()
    until_done(upscaler, task)
    assert upscaler.run(task)["data"] == [{"taskType": "imageUpscale", "taskUUID": task["taskUUID"]}]
    assert until_done(upscaler, task)["data"][0]["status"] == "success"


def test_a_task_and_the_question_about_it_fit_one_call(upscaler, held_back):
    task = later(tasks_of(1)[0])
    reply = upscaler.run([poll_of(task), task])
    assert [item.get("status") for item in reply["data"]] == ["processing", None]
    held_back.set()
    assert until_done(upscaler, task)["data"][0]["status"] == "success"


def test_a_failure_that_nobody_waits_for_is_kept(upscaler):
    task = later(tasks_of(1)[0], inputImage=b"no picture", model="auto")
    upscaler.run(task)
    reply = until_done(upscaler, task)
    assert reply["data"] == []
    [item] = reply["errors"]
    assert (item["code"], item["status"]) == ("invalidInputImage", "error")
    assert (item["taskUUID"], item["taskType"]) == (task["taskUUID"], "imageUpscale")


def test_a_result_that_was_deleted_meanwhile_is_an_error(upscaler):
    task = later(tasks_of(1)[0])
    upscaler.run(task)
    upscaler.store.delete(until_done(upscaler, task)["data"][0]["imageUUID"])
    [item] = upscaler.run(poll_of(task))["errors"]
    assert (item["code"], item["parameter"], item["status"]) == ("taskNotFound", "taskUUID", "error")
    assert (item["taskUUID"], item["taskType"]) == (task["taskUUID"], "imageUpscale")
    assert "no longer in the store" in item["message"]


def test_upscale_takes_no_questions(upscaler):
    reply = upscaler.upscale({"taskType": "getResponse", "taskUUID": tasks_of(1)[0]["taskUUID"]})
    assert [item["code"] for item in reply["errors"]] == ["unsupportedTaskType"]


def test_outcomes_are_forgotten_oldest_first(upscaler, monkeypatch):
    monkeypatch.setattr("tilewright.service.background._KEPT", 2)
    tasks = [later(task) for task in tasks_of(5)]
    for task in tasks:
        upscaler.run(task)
        until_done(upscaler, task)
    replies = [upscaler.run(poll_of(task)) for task in tasks]
    assert ["errors" in reply for reply in replies] == [True, True, False, False, False]
    assert replies[0]["errors"][0]["code"] == "taskNotFound"


def test_closing_waits_for_what_was_accepted(small_tiles):
    tasks = [later(task) for task in tasks_of(4, side=60)]
    with small_tiles:
        small_tiles.run(tasks)
    statuses = [small_tiles.run(poll_of(task))["data"][0]["status"] for task in tasks]
    assert statuses == ["success"] * 4


def test_leaving_by_an_exception_stops_what_was_accepted(small_tiles):
    tasks = [later(task) for task in tasks_of(12, side=150)]

    def leave():
        with small_tiles:
            small_tiles.run(tasks)
            raise KeyError("left")

    with pytest.raises(KeyError, match="left"):
        leave()
    replies = [small_tiles.run(poll_of(task)) for task in tasks]
    assert not any(item["status"] == "processing" for reply in replies for item in reply["data"])
    assert "cancelled" in replies[-1]["errors"][0]["message"]
    [again] = [later(task) for task in tasks_of(1)]
    small_tiles.run(again)
    assert until_done(small_tiles, again)["data"][0]["status"] == "success", "still usable"


def test_an_outcome_that_is_kept_holds_no_picture(upscaler):
    picture = make_picture(12, 12)
    kept = weakref.ref(picture)
    task = later(tilewright.new_task(picture, 2))
    upscaler.run(task)
    until_done(upscaler, task)
    del picture, task
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(("unit", "least"), [("megapixel", 2 * 24 * 24 / 1e6), ("second", 1e-9)])
def test_the_cost_follows_the_pricing_rule(unit, least):
    settings = dataclasses.replace(Settings.from_environment(), price=Price(2.0, unit))
    priced = Upscaler(settings=settings, device="cpu", store="memory://priced")
    [item] = priced.run({**tasks_of(1)[0], "includeCost": True})["data"]
    if unit == "megapixel":
        assert item["cost"] == least
    else:
        assert least < item["cost"] < 120
    assert "cost" not in priced.run(tasks_of(1))["data"][0]


def test_what_cannot_be_compared_is_a_fault_and_frees_the_others(upscaler):
    """An array compared with a text is an array, which is neither true nor false."""
    task, odd = tasks_of(1)[0], tilewright.new_task(b"", 2, taskType=np.array([1, 2]), checkNSFW=np.array([1, 2]))
    response = upscaler.run([task, odd])
    assert [item["taskUUID"] for item in response["data"]] == [task["taskUUID"]]
    assert "errors" not in upscaler.run(task), "free again"
    [error] = upscaler.run(tilewright.new_task(make_picture(4, 4), 2, checkNSFW=np.array([1, 2])))["errors"]
    assert error["code"] == "invalidCheckNSFW"


def test_a_task_that_cannot_be_accepted_is_a_fault_and_frees_its_uuid(upscaler, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    task = later(tasks_of(1)[0])
    with monkeypatch.context() as patch:
        patch.setattr(upscaler._runner._background, "accept", refuse)
        [error] = upscaler.run(task)["errors"]
    assert (error["code"], error["taskUUID"]) == ("internalServerError", task["taskUUID"])
    upscaler.run(task)
    assert until_done(upscaler, task)["data"][0]["status"] == "success"


def test_a_worker_that_wants_to_end_the_process_fails_its_task(upscaler, monkeypatch):
    def leave(*_, **__):
        raise SystemExit(3)

    task = later(tasks_of(1)[0])
    with monkeypatch.context() as patch:
        patch.setattr(upscaler._pictures, "upscale_picture", leave)
        upscaler.run(task)
        [error] = until_done(upscaler, task)["errors"]
    assert (error["code"], error["status"]) == ("internalServerError", "error")


def test_no_more_than_a_few_pictures_are_decoded_at_a_time(upscaler, held_back, monkeypatch):
    entered = []
    load = upscaler._runner._handler._read
    monkeypatch.setattr(upscaler._runner._handler, "_read", lambda *a: (entered.append(1), load(*a))[1])
    results = []
    threads = [threading.Thread(target=lambda task=task: results.append(upscaler.run(task))) for task in tasks_of(12)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert len(entered) == 3
    held_back.set()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 12
    assert not any("errors" in result for result in results)


def test_asyncio_keeps_its_own_executor(upscaler, held_back):
    async def main():
        work = [asyncio.create_task(upscaler.aupscale(task)) for task in tasks_of(40)]
        await asyncio.sleep(0.05)
        started = time.monotonic()
        await asyncio.wait_for(asyncio.to_thread(lambda: None), timeout=20)
        took = time.monotonic() - started
        held_back.set()
        return took, await asyncio.gather(*work)

    took, responses = asyncio.run(main())
    assert took < 10, "it did not wait for pictures that wait for us"
    assert not any("errors" in response for response in responses)


def test_asyncio_serves_uploads_and_questions_too(upscaler):
    async def main():
        [uploaded] = (await upscaler.arun(upload_of(make_picture(8, 8))))["data"]
        task = tilewright.new_task(uploaded["imageUUID"], 2, deliveryMethod="async")
        await upscaler.arun(task)
        while (reply := await upscaler.arun(poll_of(task)))["data"][0]["status"] == "processing":
            await asyncio.sleep(0.01)
        return reply

    assert asyncio.run(main())["data"][0]["status"] == "success"


def upload_of(picture):
    return {"taskType": "imageUpload", "taskUUID": tilewright.new_task(b"")["taskUUID"], "image": picture}


def test_a_stream_answers_first_what_needs_no_network(upscaler):
    known = later(tasks_of(1)[0])
    upscaler.run(known)
    until_done(upscaler, known)
    tasks = [*tasks_of(5), poll_of(known), tilewright.new_task("no picture.png", 2)]

    async def main():
        return [envelope async for envelope in upscaler.astream(tasks)]

    envelopes = asyncio.run(main())
    first = {(envelope["data"] or envelope["errors"])[0]["taskUUID"] for envelope in envelopes[:2]}
    assert first == {known["taskUUID"], tasks[-1]["taskUUID"]}
    assert len(envelopes) == 7


def test_a_stream_does_not_run_ahead_of_its_reader(upscaler, monkeypatch):
    done = []
    upscale_picture = upscaler._pictures.upscale_picture

    def counted(*arguments, **options):
        done.append(1)
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", counted)

    async def main():
        async with contextlib.aclosing(upscaler.astream(tasks_of(12))) as stream:
            await anext(stream)
            await asyncio.sleep(0.5)
            return len(done)

    assert asyncio.run(main()) <= 6


def test_a_uuid_stays_taken_until_the_tile_of_a_stream_that_was_left_is_done(upscaler, monkeypatch):
    inside, go = threading.Event(), threading.Event()

    def slow(*_, **__):
        inside.set()
        assert go.wait(timeout=60)
        raise CancelledError("stopped")

    task, other = tasks_of(2)

    async def leave():
        stream = upscaler.astream([poll_of(task), task, other])
        await anext(stream)
        await asyncio.to_thread(inside.wait, 20)
        await stream.aclose()

    with monkeypatch.context() as patch:
        patch.setattr(upscaler._pictures, "upscale_picture", slow)
        asyncio.run(leave())
        assert [item["code"] for item in upscaler.run(task)["errors"]] == ["conflictTaskUUID"]
        go.set()
        assert idle(upscaler)
    assert at_rest(upscaler)
    assert "errors" not in upscaler.run([task, other])


AT_THE_END = """
import sys
import tilewright
from tilewright import Upscaler
from tilewright.testing import make_picture
upscaler = Upscaler(device="cpu", store=sys.argv[1], tile=40)
tasks = [tilewright.new_task(make_picture(60 + i, 60), 2, deliveryMethod="async", outputFormat=f)
         for i, f in enumerate(["PNG", "JPG", "PNG", "JPG", "WEBP"])]
assert "errors" not in upscaler.run(tasks)
"""


def test_a_process_that_ends_does_first_what_it_accepted(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", AT_THE_END, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert ended.stderr == ""
    kinds = sorted(path.suffix for path in tmp_path.iterdir())
    assert kinds == sorted([".png"] * 5 + [".png", ".jpg", ".png", ".jpg", ".webp"]), "five inputs, five results"


FORKED = """
import os, sys, warnings
warnings.simplefilter("ignore")
from tilewright import Upscaler
from tilewright.errors import DeviceError
from tilewright.testing import make_picture
upscaler = Upscaler(device="cpu", store="memory://fork")
upscaler.upscale_array(make_picture(8, 8), 2)
child = os.fork()
if child == 0:
    refused = 0
    for use in (upscaler, None):
        try:
            (use or Upscaler(device="cpu")).upscale_array(make_picture(8, 8), 2)
        except DeviceError as error:
            refused += "forked" in str(error)
    os._exit(refused)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_process_is_told_instead_of_waiting_for_ever():
    ended = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == "2\n", ended.stderr
