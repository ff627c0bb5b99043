"""`tilewright serve`, with a watch on its event loop.

python benchmarks/watched_server.py WATCH.json [ARGUMENT...]

The arguments are those of `tilewright serve`. When the server has stopped, the file holds what the
watch has seen; times are those of ``time.perf_counter``, which all processes of a machine share on
Linux.
"""

from __future__ import annotations

import asyncio
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

    Each record holds when it ended, its seconds, the seconds in which the loop's thread ran and in which it was ready
    but both cores were busy. What is left of a callback's seconds it waited: for the interpreter's lock, as our code
    waits for nothing else on the loop.

    Attributes:
        callbacks: ``[ended, seconds, running, ready, name]`` of long callbacks.
        delays: ``[ended, seconds late, running, ready]`` of late wake-ups.
    """

    def __init__(self) -> None:
        """Starts without records."""
        self.callbacks: list[tuple[float, float, float, float, str]] = []
        self.delays: list[tuple[float, float, float, float]] = []
        self._schedule = -1

    async def run(self) -> None:
        """Watches the running loop until it is cancelled. It must be started on the loop's thread."""
        # Nanoseconds of the thread on a core and ready for one (Linux, Documentation/scheduler/sched-stats).
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._time_callbacks()
        while True:
            began, running, ready = self._now()
            await asyncio.sleep(_SLEEP)
            ended, running_then, ready_then = self._now()
            if (late := ended - began - _SLEEP) > _RECORDED:
                self.delays.append((ended, late, running_then - running, ready_then - ready))

    def _now(self) -> tuple[float, float, float]:
        ready = int(os.pread(self._schedule, 64, 0).split()[1]) / 1e9
        return time.perf_counter(), time.thread_time(), ready

    def _time_callbacks(self) -> None:
        run = asyncio.Handle._run  # type: ignore[attr-defined]  # each callback of a loop runs in it

        @functools.wraps(run)
        def timed(handle: asyncio.Handle) -> None:
            began, running, ready = self._now()
            run(handle)
            ended, running_then, ready_then = self._now()
            if ended - began > _RECORDED:
                name = _name_of(handle)
                self.callbacks.append((ended, ended - began, running_then - running, ready_then - ready, name))

        asyncio.Handle._run = timed  # type: ignore[attr-defined]


def _name_of(handle: Any) -> str:
    owner = getattr(handle._callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return str(getattr(owner.get_coro(), "__qualname__", owner))
    return str(getattr(handle._callback, "__qualname__", handle._callback))


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
