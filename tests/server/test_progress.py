"""Progress of running tasks over WebSocket, for clients that ask for it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.sync.client import connect

from support.running_server import running_server
from support.server_tasks import authentication, picture, receive, send, task
from tilewright.engine.progress import Progress
from tilewright.server.progress import ProgressRelay
from tilewright.server.sessions import Session

LARGE = {"inputImage": picture(500, 400), "upscaleFactor": 4}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("store")) as server:
        yield server


def open_session(ws, **fields):
    send(ws, authentication(**fields))
    return receive(ws)["data"][0]["connectionSessionUUID"]


def frames_until_result(ws, task_uuid):
    """Returns the items that come before the result of a task, and the result."""
    items = []
    while True:
        [item] = (frame := receive(ws)).get("errors") or frame["data"]
        if item["taskType"] != "progress" and item["taskUUID"] == task_uuid:
            return items, item
        items.append(item)


def nothing_else_comes(ws):
    send(ws, {"taskType": "ping", "ping": True})
    return receive(ws) == {"data": [{"taskType": "ping", "pong": True}]}


def test_progress_comes_before_the_result_and_never_after_it(server):
    with connect(server.ws) as ws:
        open_session(ws, reportProgress=True)
        sent = task(**LARGE)
        send(ws, sent)
        items, result = frames_until_result(ws, sent["taskUUID"])
        assert "imageURL" in result
        assert {tuple(item) for item in items} == {("taskType", "taskUUID", "done", "total")}
        assert {(item["taskUUID"], item["total"]) for item in items} == {(sent["taskUUID"], items[0]["total"])}
        done = [item["done"] for item in items]
        assert done == sorted(set(done))
        assert 0 <= done[0] < done[-1] <= items[0]["total"]
        assert nothing_else_comes(ws)


@pytest.mark.parametrize("fields", [{}, {"reportProgress": False}, {"reportProgress": None}])
def test_clients_that_do_not_ask_get_no_progress(server, fields):
    with connect(server.ws) as ws:
        open_session(ws, **fields)
        sent = task(**LARGE)
        send(ws, sent)
        assert frames_until_result(ws, sent["taskUUID"])[0] == []
        assert nothing_else_comes(ws)


def test_tasks_that_fail_or_need_no_network_have_no_progress(server):
    with connect(server.ws) as ws:
        open_session(ws, reportProgress=True)
        bad, odd = task(upscaleFactor=9), task(taskUUID={"no": "text"})
        send(ws, bad, odd)
        codes = {receive(ws)["errors"][0]["code"] for _ in range(2)}
        assert codes == {"unsupportedUpscaleFactor", "invalidTaskUUID"}
        assert nothing_else_comes(ws)


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_client_that_connects_again_can_ask_for_progress(server, is_wanted):
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as is_busy:
        is_busy.enter_context(server.upscaler._networks.exclusive())
        with connect(server.ws) as ws:
            session = open_session(ws, reportProgress=True)
            sent = task(**LARGE)
            send(ws, sent)
            assert nothing_else_comes(ws), "the network is busy"
        again = stack.enter_context(connect(server.ws))
        assert open_session(again, connectionSessionUUID=session, reportProgress=is_wanted) == session
        is_busy.close()
        items, result = frames_until_result(again, sent["taskUUID"])
    assert bool(items) == is_wanted
    assert "imageURL" in result


def test_another_value_than_true_or_false_is_an_error(server):
    with connect(server.ws) as ws:
        send(ws, authentication(reportProgress="yes"))
        error = receive(ws)["errors"][0]
    assert (error["code"], error["parameter"]) == ("invalidRequest", "reportProgress")
    assert "'yes'" in error["message"]


def progress_of(frame):
    [item] = json.loads(frame)["data"]
    return item["taskUUID"], item["done"]


def test_a_slow_reader_gets_only_the_newest_progress_of_each_task():
    async def main():
        session, sent = Session("anybody"), []
        session.wants_progress = True
        for done in range(100):
            for name in ("first", "second"):
                session.show_progress(name, Progress(done, 100, 0, 0))
        session.show_progress("finished", Progress(1, 1, 0, 0))
        session.hide_progress("finished")
        session.deliver("a result")

        async def send(frame):
            sent.append(frame)

        sending = session.start_sending(send)
        while len(sent) < 3:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # for frames that must not come
        sending.cancel()
        return sent

    result, *progress = asyncio.run(asyncio.wait_for(main(), 20))
    assert result == "a result", "results come first"
    assert [progress_of(frame) for frame in progress] == [("first", 99), ("second", 99)]


def test_threads_that_call_often_are_reported_a_few_times_a_second():
    async def main():
        loop, shown = asyncio.get_running_loop(), []
        session = Session("anybody")
        session.show_progress = lambda name, progress: shown.append((loop.time(), name, progress.done))
        relay = ProgressRelay(session)
        stop = threading.Event()

        def work():
            done = 0
            while not stop.is_set():
                done += 1
                relay("task", Progress(done, done, 0, 0))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            while len(shown) < 4:
                await asyncio.sleep(0.01)
        finally:
            stop.set()
            thread.join()
        relay("task", Progress(10**9, 10**9, 0, 0))
        while shown[-1][2] != 10**9:  # the last one is not lost
            await asyncio.sleep(0.01)
        relay("task", Progress(1, 1, 0, 0))
        relay.forget({"data": [{"taskUUID": "task"}]})
        relay("other", Progress(1, 1, 0, 0))
        relay.close()
        relay("late", Progress(1, 1, 0, 0))
        await asyncio.sleep(0.3)  # for reports that must not come
        return shown

    shown = asyncio.run(asyncio.wait_for(main(), 20))
    times = [time for time, _, _ in shown]
    assert min(after - before for before, after in itertools.pairwise(times)) >= 0.19
    assert [done for _, _, done in shown] == sorted(done for _, _, done in shown)
    assert {name for _, name, _ in shown} == {"task"}
    assert shown[-1][2] == 10**9
