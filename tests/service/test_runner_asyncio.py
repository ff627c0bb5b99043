"""Calls from asyncio: `aupscale`, `arun` and `astream`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time

import pytest

import tilewright
from support.tasks import (
    all_tasks_finish,
    asynchronous,
    network_becomes_idle,
    new_tasks,
    poll_of,
    upload_of,
    wait_for_outcome,
)
from tilewright.errors import CancelledError
from tilewright.testing import make_picture


def test_event_loop_continues_while_tasks_run(upscaler):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        response = await upscaler.aupscale(new_tasks(3, side=100))
        ticking.cancel()
        return response, ticks

    response, ticks = asyncio.run(main())
    assert len(response["data"]) == 3
    assert ticks > 3


def test_default_executor_of_asyncio_is_not_blocked(upscaler, held_back):
    async def main():
        work = [asyncio.create_task(upscaler.aupscale(task)) for task in new_tasks(40)]
        await asyncio.sleep(0.05)
        started = time.monotonic()
        await asyncio.wait_for(asyncio.to_thread(lambda: None), timeout=20)
        took = time.monotonic() - started
        held_back.set()
        return took, await asyncio.gather(*work)

    took, responses = asyncio.run(main())
    assert took < 10, "it must not wait for pictures"
    assert not any("errors" in response for response in responses)


def test_arun_accepts_uploads_and_get_response_tasks(upscaler):
    async def main():
        [uploaded] = (await upscaler.arun(upload_of(make_picture(8, 8))))["data"]
        task = tilewright.new_task(uploaded["imageUUID"], 2, deliveryMethod="async")
        await upscaler.arun(task)
        while (reply := await upscaler.arun(poll_of(task)))["data"][0]["status"] == "processing":
            await asyncio.sleep(0.01)
        return reply

    assert asyncio.run(main())["data"][0]["status"] == "success"


def test_cancelled_task_stops_after_the_current_tile_and_stores_nothing(small_tiles, tmp_path, monkeypatch):
    started, cancelled = threading.Event(), threading.Event()
    done = []
    upscale_picture = small_tiles._pictures.upscale_picture

    def upscale_and_listen(picture, enlargement, *, on_progress, **options):
        def listen(progress):
            done.append(progress.done)
            if progress.done == 2:
                started.set()
                assert cancelled.wait(timeout=20)
            on_progress(progress)

        return upscale_picture(picture, enlargement, on_progress=listen, **options)

    monkeypatch.setattr(small_tiles._pictures, "upscale_picture", upscale_and_listen)
    small_tiles.session(factor=2)

    async def main():
        work = asyncio.create_task(small_tiles.aupscale(new_tasks(1, side=200)))
        await asyncio.to_thread(started.wait, 20)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        cancelled.set()

    asyncio.run(main())
    assert all_tasks_finish(small_tiles)
    assert done[-1] == 2
    assert list((tmp_path / "images").iterdir()) == [], "neither the result nor the input may be stored"


def test_stream_yields_one_envelope_per_task(upscaler):
    tasks = [*new_tasks(5), tilewright.new_task("no picture.png", 2)]

    async def main():
        return [envelope async for envelope in upscaler.astream(tasks)]

    envelopes = asyncio.run(main())
    uuids = {(envelope["data"] or envelope["errors"])[0]["taskUUID"] for envelope in envelopes}
    assert uuids == {task["taskUUID"] for task in tasks}
    assert sum("errors" in envelope for envelope in envelopes) == 1


def test_stream_yields_tasks_that_need_no_network_first(upscaler):
    finished = asynchronous(new_tasks(1)[0])
    upscaler.run(finished)
    wait_for_outcome(upscaler, finished)
    tasks = [*new_tasks(5), poll_of(finished), tilewright.new_task("no picture.png", 2)]

    async def main():
        return [envelope async for envelope in upscaler.astream(tasks)]

    envelopes = asyncio.run(main())
    first = {(envelope["data"] or envelope["errors"])[0]["taskUUID"] for envelope in envelopes[:2]}
    assert first == {finished["taskUUID"], tasks[-1]["taskUUID"]}
    assert len(envelopes) == 7


def test_stream_runs_only_a_few_tasks_before_their_envelopes_are_taken(upscaler, monkeypatch):
    done = []
    upscale_picture = upscaler._pictures.upscale_picture

    def count(*arguments, **options):
        done.append(1)
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", count)

    async def main():
        async with contextlib.aclosing(upscaler.astream(new_tasks(12))) as stream:
            await anext(stream)
            await asyncio.sleep(0.5)
            return len(done)

    assert asyncio.run(main()) <= 6


def test_leaving_a_stream_early_cancels_the_other_tasks(small_tiles):
    async def main():
        async with contextlib.aclosing(small_tiles.astream(new_tasks(12, side=100))) as stream:
            return await anext(stream)

    assert "errors" not in asyncio.run(main())
    assert network_becomes_idle(small_tiles)
    assert "errors" not in small_tiles.run(new_tasks(1)), "still usable"


@pytest.mark.parametrize("leave", ["break", "raise", "cancel"])
@pytest.mark.parametrize("loop_ends", [False, True])
def test_leaving_a_stream_early_prints_nothing(small_tiles, monkeypatch, caplog, leave, loop_ends):
    """The others end with an error that nobody asks for, perhaps when the event loop is closed."""
    left = threading.Event()

    def wait_until_left(*_, **__):
        assert left.wait(timeout=60)
        raise CancelledError("stopped")

    monkeypatch.setattr(small_tiles._pictures, "upscale_picture", wait_until_left)

    async def stream():
        async for _ in small_tiles.astream([tilewright.new_task("no picture.png", 2), *new_tasks(9, side=100)]):
            if leave == "break":
                break
            if leave == "raise":
                raise KeyError
            asyncio.current_task().cancel()

    async def main():
        with contextlib.suppress(KeyError, asyncio.CancelledError):
            await asyncio.create_task(stream())
        gc.collect()
        if not loop_ends:
            left.set()
            assert await asyncio.to_thread(all_tasks_finish, small_tiles)
            await asyncio.sleep(0.01)
            gc.collect()

    asyncio.run(main())
    left.set()
    assert all_tasks_finish(small_tiles)
    assert network_becomes_idle(small_tiles)
    gc.collect()
    assert caplog.text == ""


def test_task_uuid_stays_reserved_until_a_cancelled_task_of_a_stream_has_stopped(upscaler, monkeypatch):
    running, released = threading.Event(), threading.Event()

    def wait_and_fail(*_, **__):
        running.set()
        assert released.wait(timeout=60)
        raise CancelledError("stopped")

    task, other = new_tasks(2)

    async def leave():
        stream = upscaler.astream([poll_of(task), task, other])
        await anext(stream)
        await asyncio.to_thread(running.wait, 20)
        await stream.aclose()

    with monkeypatch.context() as patch:
        patch.setattr(upscaler._pictures, "upscale_picture", wait_and_fail)
        asyncio.run(leave())
        assert [item["code"] for item in upscaler.run(task)["errors"]] == ["conflictTaskUUID"]
        released.set()
        assert network_becomes_idle(upscaler)
    assert all_tasks_finish(upscaler)
    assert "errors" not in upscaler.run([task, other])


def test_task_uuids_are_released_when_a_stream_is_left_while_its_tasks_are_validated(upscaler, monkeypatch):
    validating, released = threading.Event(), threading.Event()
    tasks = new_tasks(60)  # so many are validated in a thread
    validated = upscaler._runner._validated

    def validate_and_wait(*arguments, **options):
        entry = validated(*arguments, **options)
        validating.set()
        assert released.wait(timeout=60)
        return entry

    async def leave():
        work = asyncio.create_task(anext(upscaler.astream(tasks)))
        await asyncio.to_thread(validating.wait, 20)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    with monkeypatch.context() as patch:
        patch.setattr(upscaler._runner, "_validated", validate_and_wait)
        asyncio.run(leave())
        released.set()
        assert all_tasks_finish(upscaler)
    assert "errors" not in upscaler.run(tasks[59])
