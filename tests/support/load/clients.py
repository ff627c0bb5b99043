"""Clients that send small tasks all at once, and note every answer.

``python -m support.load.clients PORT ROUND LOAD`` runs them in a process of its own, where LOAD is that of
`Load.as_json`. It prints a line when they are connected, waits for a line before they send, and prints what they were
answered as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

from support.load.answers import Answers
from support.load.tasks import Load, small_tasks
from support.load.wire import Socket, closed, opened, request, response

# Seconds after which an answer counts as lost.
_PATIENCE = 300.0

# Seconds for answers that nobody should get.
_SURPLUS_SECONDS = 0.3


class Clients:
    """The clients of one round.

    Attributes:
        tasks: The tasks of each client.
        answers: What they were answered.
        failures: Connections that failed.
        seconds: From the first task that was sent to the last answer.
        cpu_seconds: CPU time of this process in these seconds.
    """

    def __init__(self, load, round_name, port):
        self.tasks, self.answers, self.failures = small_tasks(load, round_name), Answers(), []
        self.seconds = self.cpu_seconds = self.began = 0.0
        self._port = port
        self._are_answered = asyncio.Event()
        self._waiting = len(self.tasks)
        self._connected = []

    async def connect(self):
        """Connects all clients."""
        self._connected = [await self._connect(number) for number in range(len(self.tasks))]

    async def run(self):
        """Lets all connected clients send at once, and waits for all answers."""
        self.began = time.perf_counter()
        cpu_before = time.process_time()
        results = asyncio.gather(*(self._client(run) for run in self._connected))
        await self._are_answered.wait()
        self.seconds = time.perf_counter() - self.began
        self.cpu_seconds = time.process_time() - cpu_before
        await results

    def facts(self):
        """Returns everything as JSON values."""
        return {
            "began": self.began, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "failures": self.failures,
            "answers": self.answers.by_task,
        }  # fmt: skip

    async def _connect(self, number):
        reader, writer = await opened(self._port)
        calls = list(_calls(self.tasks[number], number // 2 % 3))
        if number % 4 < 2:
            return lambda: self._http(reader, writer, calls)
        ws = Socket(reader, writer, self._port)
        await ws.open()
        return lambda: self._websocket(ws, calls)

    async def _client(self, run):
        try:
            async with asyncio.timeout(_PATIENCE):
                await run()
        except (OSError, EOFError, TimeoutError) as error:
            self.failures.append(f"{type(error).__name__}: {error}")
            self._is_answered()

    async def _http(self, reader, writer, calls):
        """Sends one call after the other."""
        with contextlib.closing(writer):
            for number, tasks in enumerate(calls):
                self.answers.sent(tasks)
                writer.write(request(tasks, close=number == len(calls) - 1))
                _, envelope = await response(reader)
                self.answers.received(envelope, tasks)
            self._is_answered()
            if surplus := await reader.read():
                self.failures.append(f"bytes after the last response: {surplus[:100]!r}")

    async def _websocket(self, ws, calls):
        """Sends all frames, then reads, also what comes when all answers are there."""
        tasks = [task for call in calls for task in call]
        for call in calls:
            self.answers.sent(call)
            await ws.send(call)
        reading, ending = asyncio.create_task(self._read(ws, tasks)), asyncio.create_task(self._are_answered.wait())
        try:
            await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await asyncio.wait([reading], timeout=_SURPLUS_SECONDS)
            if reading.done():  # the connection has ended
                reading.result()
        finally:
            reading.cancel()
            ending.cancel()
            await asyncio.wait([reading, ending])
            await closed(ws.writer)

    async def _read(self, ws, tasks):
        was_answered = False
        while True:
            while ws.texts:
                self.answers.received(json.loads(ws.texts.pop(0)), tasks)
            if not was_answered and self.answers.has_all(tasks):
                was_answered = True
                self._is_answered()
            await ws.read(2**16)

    def _is_answered(self):
        self._waiting -= 1
        if not self._waiting:
            self._are_answered.set()


def _calls(tasks, kind):
    """Divides the tasks of a client into calls: all in one, one each, or some in one."""
    step = (len(tasks), 1, (len(tasks) + 1) // 2)[kind]
    return (tasks[start : start + step] for start in range(0, len(tasks), step))


def main():
    port, round_name, load = sys.argv[1:]

    async def run():
        clients = Clients(Load.from_json(json.loads(load)), round_name, int(port))
        await clients.connect()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await clients.run()
        return clients.facts()

    print(json.dumps(asyncio.run(run())))


if __name__ == "__main__":
    main()
