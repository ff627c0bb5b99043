"""Pictures whose servers are slow: they delay only other pictures from URLs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest

import tilewright
from support.http_server import PNG
from support.tasks import all_tasks_finish, asynchronous, new_tasks, poll_of, wait_for_outcome
from tilewright import Settings, Upscaler
from tilewright.engine.progress import raise_if_cancelled


class SlowServers:
    """Answers every fetch when `answer` is set.

    Attributes:
        asked: Number of fetches that have begun.
        most: Most fetches that were in progress at a time.
        limits: Limits of the last fetch.
    """

    def __init__(self):
        self.answer = threading.Event()
        self.asked = self.current = self.most = 0
        self.limits = None
        self._lock = threading.Lock()

    def __call__(self, _url, *, limits, stop):
        with self._lock:
            self.asked += 1
            self.current += 1
            self.most = max(self.most, self.current)
            self.limits = limits
        try:
            while not self.answer.wait(timeout=0.01):
                raise_if_cancelled(stop)
            return PNG
        finally:
            with self._lock:
                self.current -= 1


@pytest.fixture
def servers():
    return SlowServers()


@pytest.fixture
def upscaler(servers, tmp_path):
    settings = replace(Settings.from_environment(), fetch_urls="public")
    upscaler = Upscaler(settings=settings, device="cpu", store=tmp_path)
    upscaler._runner._handler.fetcher = servers
    yield upscaler
    servers.answer.set()
    upscaler.close()


def slow_tasks(count):
    return [tilewright.new_task("http://slow.test/a.png", 2) for _ in range(count)]


@pytest.mark.parametrize("count", [3, 20])
def test_other_tasks_do_not_wait_for_slow_servers(count, upscaler, servers):
    slow = [asynchronous(task) for task in slow_tasks(count)]
    assert "errors" not in upscaler.run(slow)
    now, later = new_tasks(2)
    assert "errors" not in upscaler.run(now)
    later = asynchronous(later)
    upscaler.run(later)
    assert wait_for_outcome(upscaler, later)["data"][0]["status"] == "success"
    assert upscaler.run(poll_of(slow[0]))["data"][0]["status"] == "processing"
    servers.answer.set()
    assert [wait_for_outcome(upscaler, task)["data"][0]["status"] for task in slow] == ["success"] * count
    assert (servers.asked, servers.most) == (count, min(count, 8))


def test_other_tasks_of_a_stream_do_not_wait_for_slow_servers(upscaler):
    local = new_tasks(4)

    async def main():
        async with contextlib.aclosing(upscaler.astream([*slow_tasks(5), *local])) as stream:
            return [(await anext(stream))["data"][0]["taskUUID"] for _ in local]

    assert sorted(asyncio.run(main())) == sorted(task["taskUUID"] for task in local)
    assert all_tasks_finish(upscaler)


def test_other_tasks_of_a_call_do_not_wait_for_slow_servers(upscaler, servers, monkeypatch):
    """The servers answer only when the other pictures are finished."""
    finished = []
    write = upscaler._pictures.write

    def count(*arguments, **options):
        result = write(*arguments, **options)
        finished.append(1)
        if len(finished) == 4:
            servers.answer.set()
        return result

    monkeypatch.setattr(upscaler._pictures, "write", count)
    tasks = [*slow_tasks(12), *new_tasks(4)]
    response = upscaler.run(tasks)
    assert [item["taskUUID"] for item in response["data"]] == [task["taskUUID"] for task in tasks]


def test_cancelled_call_ends_its_fetches(upscaler, servers):
    async def main():
        work = asyncio.create_task(upscaler.arun(slow_tasks(12)))
        while servers.asked < 8:
            await asyncio.sleep(0.01)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    asyncio.run(main())
    assert all_tasks_finish(upscaler)
    assert servers.asked == 8


def test_fetch_gets_the_limits_of_pictures(upscaler, servers):
    servers.answer.set()
    assert "errors" not in upscaler.run(slow_tasks(1))
    assert servers.limits == upscaler.settings.limits
