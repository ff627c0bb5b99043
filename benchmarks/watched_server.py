"""`tilewright serve`, with a watch on its event loop.

python benchmarks/watched_server.py WATCH.json [ARGUMENT...]

The arguments are those of `tilewright serve`. When the server has stopped, the file holds the
`delays` of its event loop; times are those of ``time.perf_counter``, which all processes of a machine share on
Linux.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tilewright.cli import main as command
from tilewright.server import uvicorn_server

# Seconds that the watching task sleeps, and seconds by which it may be late without a record.
_SLEEP, _RECORDED = 0.005, 0.010


class LoopWatch:
    """Records wake-ups that come late, which all work of the loop delays.

    Times are seconds. ``running`` is that in which the loop's thread ran, ``ready`` that in which it could have run but
    both cores were busy. The rest of the time it waited for the interpreter's lock.

    Attributes:
        delays: ``[ended, seconds late, running, ready]`` of late wake-ups.
    """

    def __init__(self) -> None:
        """Starts without records. It must be made on the thread of the loop."""
        self.delays: list[tuple[float, float, float, float]] = []
        self._clock = ThreadClock()

    async def run(self) -> None:
        """Watches the running loop until it is cancelled."""
        while True:
            began, running, ready = self._clock.now()
            await asyncio.sleep(_SLEEP)
            ended, running_then, ready_then = self._clock.now()
            if (late := ended - began - _SLEEP) > _RECORDED:
                self.delays.append((ended, late, running_then - running, ready_then - ready))


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


def main() -> int:
    """Runs the server; returns its exit status."""
    target, *arguments = sys.argv[1:]
    watch = LoopWatch()

    class WatchedServer(uvicorn_server.TilewrightServer):
        async def serve(self, sockets: Any = None) -> None:
            watching = asyncio.create_task(watch.run())
            await super().serve(sockets)
            watching.cancel()

    uvicorn_server.TilewrightServer = WatchedServer  # type: ignore[misc]
    try:
        return command(["serve", *arguments])
    finally:
        Path(target).write_text(json.dumps(watch.delays))


if __name__ == "__main__":
    sys.exit(main())
