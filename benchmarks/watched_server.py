"""`tilewright serve`, with a watch on its event loop.

python benchmarks/watched_server.py WATCH.json [ARGUMENT...]

The arguments are those of `tilewright serve`. When the server has stopped, the file holds what the
watch has seen; times are those of ``time.perf_counter``, which all processes of a machine share on
Linux.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tilewright.cli import main as command
from tilewright.server import stopping

# Seconds that the watching task sleeps; and seconds by which it may be late, or a callback may take, without a record.
_SLEEP, _RECORDED = 0.005, 0.010


class LoopWatch:
    """Records callbacks that take long, and wake-ups that come late.

    Times are seconds. ``running`` is that in which the loop's thread ran, ``ready`` that in which it could have run but
    both cores were busy. The rest of the time of a callback it waited for the interpreter's lock: callbacks wait for
    nothing else.

    Attributes:
        callbacks: ``[ended, seconds, running, ready, name]`` of long callbacks.
        delays: ``[ended, seconds late, running, ready, parts]`` of late wake-ups. ``parts`` has
            ``[seconds, running, calls, name]`` of the callbacks in between, by name, for the three longest.
    """

    def __init__(self) -> None:
        """Starts without records. It must be made on the thread of the loop."""
        self.callbacks: list[tuple[float, float, float, float, str]] = []
        self.delays: list[tuple[float, float, float, float, list[tuple[float, float, int, str]]]] = []
        self._since: list[tuple[Any, float, float]] = []
        self._clock = ThreadClock()

    async def run(self) -> None:
        """Watches the running loop until it is cancelled."""
        self._time_callbacks()
        while True:
            began, running, ready = self._clock.now()
            self._since.clear()
            await asyncio.sleep(_SLEEP)
            ended, running_then, ready_then = self._clock.now()
            if (late := ended - began - _SLEEP) > _RECORDED:
                self.delays.append((ended, late, running_then - running, ready_then - ready, self._parts()))

    def _time_callbacks(self) -> None:
        run = asyncio.Handle._run  # each callback of a loop runs in it

        @functools.wraps(run)
        def timed(handle: asyncio.Handle) -> None:
            callback = handle._callback  # gone if it cancels its own handle
            began, running, ready = self._clock.now()
            run(handle)
            ended, running_then, ready_then = self._clock.now()
            seconds, running = ended - began, running_then - running
            self._since.append((callback, seconds, running))
            if seconds > _RECORDED:
                self.callbacks.append((ended, seconds, running, ready_then - ready, _name_of(callback)))

        asyncio.Handle._run = timed

    def _parts(self) -> list[tuple[float, float, int, str]]:
        parts: dict[str, tuple[float, float, int]] = {}
        for callback, seconds, running in self._since:
            name = _name_of(callback)
            total = parts.get(name, (0.0, 0.0, 0))
            parts[name] = total[0] + seconds, total[1] + running, total[2] + 1
        return sorted(((*part, name) for name, part in parts.items()), reverse=True)[:3]


class ThreadClock:
    """Clocks of the thread that makes it.

    Reading a file in Python gives up the interpreter's lock, and another thread may keep it for milliseconds. Here, the
    C library is called with the lock held.
    """

    def __init__(self) -> None:
        """Opens the times of this thread (Linux, Documentation/scheduler/sched-stats)."""
        self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._buffer = ctypes.create_string_buffer(64)
        self._read = ctypes.PyDLL(None).pread

    def now(self) -> tuple[float, float, float]:
        """Returns the time, the seconds that the thread has run, and those that it was ready to."""
        self._read(self._file, self._buffer, 64, 0)
        return time.perf_counter(), time.thread_time(), int(self._buffer.value.split()[1]) / 1e9


def _name_of(callback: Any) -> str:
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return str(getattr(owner.get_coro(), "__qualname__", owner))
    kind = "" if owner is None else f" of {type(getattr(owner, '_protocol', owner)).__name__}"
    return f"{getattr(callback, '__name__', callback)}{kind}"


def main() -> int:
    """Runs the server; returns its exit status."""
    target, *arguments = sys.argv[1:]
    watch = LoopWatch()

    class WatchedServer(stopping.PatientServer):
        async def serve(self, sockets: Any = None) -> None:
            watching = asyncio.create_task(watch.run())
            await super().serve(sockets)
            watching.cancel()

    stopping.PatientServer = WatchedServer  # type: ignore[misc]
    try:
        return command(["serve", *arguments])
    finally:
        Path(target).write_text(json.dumps({"callbacks": watch.callbacks, "delays": watch.delays}))


if __name__ == "__main__":
    sys.exit(main())
