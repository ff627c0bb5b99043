"""Many clients at the same time as slow readers, garbage, and clients that vanish: every task is answered once."""

from __future__ import annotations

import asyncio
import base64
import io
import logging

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from PIL import Image

from support.load.answers import RETRY, outcomes, problems
from support.load.clients import Clients
from support.load.hostile import Hostile
from support.load.tasks import FACTOR, SLOW_FACTOR, Load, size_of
from support.running_server import running_server
from tilewright import Upscaler
from tilewright.server.state import ServerOptions

LOAD = Load(clients=20, tasks_each=3, slow=4, garbage=10, vanishing=4, seconds=1.0, slow_size=(96, 64))


def run_load(server):
    """Runs clients and hostile clients; returns both."""
    clients, hostile = Clients(LOAD, "test", server.port), Hostile(LOAD, "test", server.port)

    async def run():
        await clients.connect()
        disturbing = asyncio.create_task(hostile.run())
        await clients.run()
        await asyncio.sleep(LOAD.seconds)  # all of the garbage is sent
        hostile.end()
        await disturbing

    asyncio.run(run())
    assert (clients.failures, hostile.failures) == ([], [])
    assert sum(hostile.replies.values()) == LOAD.garbage
    assert hostile.vanished == LOAD.vanishing
    return clients, hostile


def dimensions(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def file_of(server, answer):
    status, _, content = server.request(answer["imageURL"].removeprefix(server.http))
    assert status == 200
    return content


def test_every_task_is_answered_once_with_its_own_result(tmp_path, caplog):
    with running_server(tmp_path / "server") as server:
        clients, hostile = run_load(server)
        assert server.request("/healthz")[0] == 200
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
        tasks = [task for each in clients.tasks for task in each]
        assert problems(tasks, clients.answers.by_task) == []
        assert problems(hostile.slow, hostile.answers.by_task) == []
        assert outcomes(clients.answers.by_task) == {"done": LOAD.clients * LOAD.tasks_each}
        for task in hostile.slow:
            [answer] = hostile.answers.by_task[task["taskUUID"]]
            content = base64.b64decode(answer["imageBase64Data"], validate=True)
            assert dimensions(content) == tuple(SLOW_FACTOR * side for side in LOAD.slow_size)
        with Upscaler(device="cpu", store=tmp_path / "alone") as upscaler:
            expected = {item["taskUUID"]: item for item in upscaler.run(tasks)["data"]}
            for number, own in enumerate(clients.tasks):
                for task in own:
                    [answer] = clients.answers.by_task[task["taskUUID"]]
                    content = file_of(server, answer)
                    assert dimensions(content) == tuple(FACTOR * side for side in size_of(number))
                    assert content == upscaler.store.get(expected[task["taskUUID"]]["imageUUID"])


def test_tasks_that_are_refused_are_told_to_come_again(tmp_path):
    with running_server(tmp_path, options=ServerOptions(max_waiting_calls=2)) as server:
        clients, _ = run_load(server)
        assert problems([task for each in clients.tasks for task in each], clients.answers.by_task) == []
        counts = outcomes(clients.answers.by_task)
        assert set(counts) == {"done", RETRY}
        assert counts.total() == LOAD.clients * LOAD.tasks_each
