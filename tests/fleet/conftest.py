"""Starts the examples on Ray, and looks at the processes that belong to them."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from support.paths import ROOT

SECONDS = 120


def pytest_ignore_collect():
    """Leaves all tests of this folder out where Ray is missing; `.ci/run fleet` installs it."""
    return True if importlib.util.find_spec("ray") is None else None


def wait_until(condition):
    """Waits for a true value, and returns it."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


class Fleet:
    """Commands that start Ray, all in one environment.

    Attributes:
        environment: Their environment.
    """

    def __init__(self, folder, **variables):
        self._folder = folder
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT / "examples"),
            "PYTHONUNBUFFERED": "1",
            "RAY_TMPDIR": str(folder),
            # Ray's workers are nicer than other programs, and would hardly run on a busy machine.
            "RAY_worker_niceness": "0",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "TILEWRIGHT_RUNTIME": "native",
            **variables,
        }

    def start(self, *arguments):
        """Starts a command of Python, whose output goes to that of the test."""
        return subprocess.Popen([sys.executable, *map(str, arguments)], env=self.environment)

    def run(self, *arguments):
        """Runs a command of Python to its end, and returns its exit status."""
        process = self.start(*arguments)
        try:
            return process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()

    def processes(self, title=""):
        """Returns the ids of Ray's processes, as far as their title begins so. All of them have open logs."""
        return [pid for pid in ids() if title_of(pid).startswith(title) and self._has_logs(pid)]

    def kill(self, title):
        """Kills a process with this title as soon as there is one."""
        os.kill(wait_until(lambda: self.processes(title))[0], signal.SIGKILL)

    def listening(self):
        """Returns the addresses, in hexadecimal digits, on which the processes listen."""
        sockets = {}
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":  # the state LISTEN
                    sockets[f"socket:[{fields[9]}]"] = fields[1].partition(":")[0]
        return {sockets[name] for pid in self.processes() for name in descriptors(pid) if name in sockets}

    def _has_logs(self, pid):
        return any(name.startswith(f"{self._folder}/") for name in descriptors(pid))


def ids():
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def title_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:  # it has ended
        return ""


def descriptors(pid):
    try:
        return [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.fixture(scope="module")
def fleet():
    """A `Fleet` whose processes have all ended when the tests of a module are over."""
    # Ray's sockets need a short path, which pytest's folders do not have.
    folder = tempfile.mkdtemp(prefix="fleet-", dir="/tmp")
    fleet = Fleet(folder)
    try:
        yield fleet
        wait_until(lambda: not fleet.processes())
    finally:
        for pid in fleet.processes():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
