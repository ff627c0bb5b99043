"""A server in a process of its own, with its memory and CPU time."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.processes import subprocess_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS = os.sysconf("SC_CLK_TCK")


class ServerProcess:
    """A server that answers. It is Linux that tells its memory and time.

    Attributes:
        port: Its port.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        """Takes a process that serves."""
        self._process, self.port = process, port
        self._folder = Path("/proc") / str(process.pid)

    def get(self, path: str) -> tuple[int, bytes]:
        """Returns status and body of a GET request."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def wait_until_idle(self) -> None:
        """Returns when no call runs or waits."""
        while re.search(rb"^tilewright_calls_(running|waiting) [^0]", self.get("/metrics")[1], re.MULTILINE):
            time.sleep(0.05)

    def memory(self, field: str = "VmRSS") -> int:
        """Returns resident bytes, or with ``VmHWM`` their peak since `reset_peak`."""
        [kibibytes] = re.findall(rf"{field}:\s+(\d+) kB", (self._folder / "status").read_text())
        return int(kibibytes) * 1024

    def reset_peak(self) -> None:
        """Sets the peak to the memory that is resident now (Linux, proc(5))."""
        (self._folder / "clear_refs").write_text("5")

    def cpu_seconds(self) -> float:
        """Returns the CPU time of all its threads so far."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def stop(self) -> int:
        """Sends SIGTERM; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=120)


@contextlib.contextmanager
def serving(folder: Path, *command: str) -> Iterator[ServerProcess]:
    """Runs a server inside the block, and kills it if it has not stopped by then.

    Args:
        folder: Folder for its store and its messages.
        *command: What Python runs, such as ``"-m", "tilewright", "serve"``. The port is added.
    """
    environment = subprocess_environment() | {"TILEWRIGHT_STORE": str(folder / "store")}
    folder.mkdir(parents=True)
    messages = folder / "messages"
    with messages.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, *command, "--port", "0"], stderr=stderr, env=environment)
    try:
        while not (found := re.search(r"serving on http://\S+:(\d+),", messages.read_text())):
            assert process.poll() is None, messages.read_text()
            time.sleep(0.05)
        server = ServerProcess(process, int(found[1]))
        while server.get("/readyz")[0] != 200:
            time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait()
