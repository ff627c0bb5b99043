"""Clients that a server must survive: slow readers, garbage, and clients that vanish.

``python -m support.load.hostile PORT ROUND LOAD`` runs them in a process of its own, where LOAD is that of
`Load.as_json`. It prints a line when it is ready, waits for a line, runs them until its standard input is closed, lets
the slow readers take the rest, and prints what happened as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from random import Random

from support.load.answers import Answers
from support.load.tasks import Load, slow_tasks, vanishing_tasks
from support.load.wire import HOST, Socket, closed, opened, request, reset, status_and_length

# A slow reader takes so many bytes, and then waits for so many seconds.
_SIP, _PAUSE = 2048, 0.5

_SLOW_BUFFER = 2**14

# Seconds for an answer to garbage, and for the rest of a slow reader's result.
_PATIENCE, _REST_PATIENCE = 60.0, 300.0

_POST = f"POST /v1 HTTP/1.1\r\nHost: {HOST}\r\n".encode()
_MASK = bytes(4)

# What is sent, whether after the handshake of a WebSocket, and what the answer must contain; None if the connection
# stays open without an answer.
_GARBAGE = {
    "half a head": (_POST + b"Content-Len", False, None),
    "half a body": (_POST + b"Content-Length: 1000\r\n\r\n[{", False, None),
    "no JSON by HTTP": (_POST + b'Content-Length: 3\r\n\r\n[{"', False, b" 400 "),
    "huge length by HTTP": (_POST + b"Content-Length: 1000000000000000\r\n\r\n", False, b" 413 "),
    "huge chunk": (_POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n", False, None),
    "no JSON by WebSocket": (b"\x81\x81" + _MASK + b"{", True, b"invalidRequest"),
    "huge frame": (b"\x81\xff" + (2**62).to_bytes(8) + _MASK, True, b""),
    "frame without mask": (b"\x81\x02[]", True, b""),
    "reserved bits": (b"\xf1\x80" + _MASK, True, b""),
}


class Hostile:
    """The hostile clients of one round.

    Attributes:
        slow: Tasks of slow readers.
        answers: What slow readers were answered.
        replies: Number of connections with garbage by kind, for those that were treated as they must be.
        failures: What went wrong.
        vanished: Clients that have vanished.
    """

    def __init__(self, load, round_name, port):
        self.slow, self.answers = slow_tasks(load, round_name), Answers()
        self.replies, self.failures, self.vanished = Counter(), [], 0
        self._vanishing, self._random = vanishing_tasks(load, round_name), Random(round_name)
        self._load, self._port = load, port
        self._is_over = asyncio.Event()

    async def run(self):
        """Runs all clients. It returns some time after `end`."""
        work = [
            *(self._read_slowly(number, task) for number, task in enumerate(self.slow)),
            *(
                self._after(self._load.seconds * number / self._load.garbage, self._send_garbage(number))
                for number in range(self._load.garbage)
            ),
            *(
                self._after(self._load.seconds * number / self._load.vanishing, self._vanish(number, tasks))
                for number, tasks in enumerate(self._vanishing)
            ),
        ]
        await asyncio.gather(*(self._noting_failures(each) for each in work))

    def end(self):
        """Lets slow readers take the rest of their results."""
        self._is_over.set()

    def facts(self):
        """Returns everything as JSON values."""
        return {
            "answers": self.answers.by_task, "replies": self.replies, "failures": self.failures,
            "vanished": self.vanished,
        }  # fmt: skip

    async def _noting_failures(self, work):
        try:
            await work
        except (OSError, EOFError, TimeoutError, AssertionError) as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    async def _after(self, seconds, work):
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            work.close()
            raise
        await work

    async def _read_slowly(self, number, task):
        reader, writer = await opened(self._port, buffer=_SLOW_BUFFER)
        try:
            self.answers.sent([task])
            take = self._slow_websocket if number % 2 else self._slow_http
            self.answers.received(json.loads(await take(reader, writer, task)), [task])
        finally:
            await closed(writer)

    async def _slow_http(self, reader, writer, task):
        writer.write(request([task], close=True))
        _, length = status_and_length(await reader.readuntil(b"\r\n\r\n"))
        body = b""
        while len(body) < length and not self._is_over.is_set():
            body += await reader.read(min(_SIP, length - len(body)))
            await self._pause()
        async with asyncio.timeout(_REST_PATIENCE):
            return body + await reader.readexactly(length - len(body))

    async def _slow_websocket(self, reader, writer, task):
        ws = Socket(reader, writer, self._port)
        await ws.open()
        await ws.send([task])
        while not ws.texts and not self._is_over.is_set():
            await ws.read(_SIP)
            await self._pause()
        async with asyncio.timeout(_REST_PATIENCE):
            while not ws.texts:
                await ws.read(2**16)
        return ws.texts[0]

    async def _pause(self):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE):
                await self._is_over.wait()

    async def _send_garbage(self, number):
        reader, writer = await opened(self._port)
        kind = [*_GARBAGE, "random bytes"][number % (len(_GARBAGE) + 1)]
        noise = self._random.randbytes(self._random.randint(1, 5000)) + b"\r\n\r\n"
        data, after_handshake, expected = _GARBAGE.get(kind, (noise, False, b""))
        try:
            if after_handshake:
                await Socket(reader, writer, self._port).open()
            writer.write(data)
            if expected is None:
                await self._is_over.wait()
            else:
                async with asyncio.timeout(_PATIENCE):
                    answer = await reader.read(2**16)
                assert expected in answer, f"{kind}: {answer[:200]!r}"
            self.replies[kind] += 1
        except ConnectionResetError:  # the server has read nothing more
            assert expected == b"", kind
            self.replies[kind] += 1
        finally:
            await closed(writer)

    async def _vanish(self, number, tasks):
        reader, writer = await opened(self._port)
        try:
            if number % 2:
                ws = Socket(reader, writer, self._port)
                await ws.open()
                await ws.send(tasks)
            else:
                writer.write(request(tasks))
            await asyncio.sleep(0.02 * (number % 4))
        finally:
            reset(writer)
        self.vanished += 1


def main():
    port, round_name, load = sys.argv[1:]

    async def run():
        hostile = Hostile(Load.from_json(json.loads(load)), round_name, int(port))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cpu_before = time.process_time()
        running = asyncio.create_task(hostile.run())
        await asyncio.to_thread(sys.stdin.read)
        hostile.end()
        await running
        return {**hostile.facts(), "cpu_seconds": time.process_time() - cpu_before}

    print(json.dumps(asyncio.run(run())))


if __name__ == "__main__":
    main()
