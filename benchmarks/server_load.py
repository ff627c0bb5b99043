"""Puts a load on `tilewright serve`, checks every answer, and measures rate, memory and the event loop.

PYTHONPATH=tests python benchmarks/server_load.py [--rounds N] [--smoke] [--json FILE]

200 clients send five small tasks each, all at once. In *quiet* rounds they are alone. In *loaded*
rounds there are slow readers, connections with garbage and vanishing clients at the same time, and
the event loop is watched. Each round comes right after one in which `Upscaler.run` does the same
work in this process. Needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info
from pytest_benchmark.utils import get_commit_info

import machine
import server_load_table
from server_process import ServerProcess, serving
from support.load.answers import problems
from support.load.tasks import Load, slow_tasks, small_tasks, vanishing_tasks
from tilewright import Upscaler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Task = dict[str, Any]

_WATCHED = Path(__file__).with_name("watched_server.py")

_SMALL = Load(clients=8, tasks_each=2, slow=2, garbage=10, vanishing=2, seconds=0.5, slow_size=(48, 32))


@contextlib.contextmanager
def waiting(module: str, load: Load, name: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """Runs clients in a process of their own, which waits for `let_go`."""
    command = [sys.executable, "-m", f"support.load.{module}", str(port), name, json.dumps(load.as_json())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the clients have failed"
        try:
            yield process
        finally:
            process.kill()


def let_go(process: subprocess.Popen[str]) -> None:
    """Lets waiting clients begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def outcome(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Ends the standard input of clients, waits for them, and returns what they state."""
    text, _ = process.communicate()
    assert process.returncode == 0, "the clients have failed"
    return dict(json.loads(text))


class InProcess:
    """`Upscaler.run` in this process."""

    def __init__(self, folder: Path, load: Load) -> None:
        """Opens an Upscaler with a store, and runs the small tasks once.

        Attributes:
            digests: SHA-256 of the result's file of each task, client by client.
        """
        self._upscaler, self._load = Upscaler(device="cpu", store=folder), load
        tasks = _all_of(small_tasks(load, "first"))
        items = self._upscaler.run(tasks)["data"]
        assert [item["taskUUID"] for item in items] == [task["taskUUID"] for task in tasks]
        self.digests = [_digest(self._upscaler.store.get(item["imageUUID"])) for item in items]

    def run(self, name: str, *, is_loaded: bool) -> dict[str, float]:
        """Runs the tasks that a server accepts in a round; returns seconds and CPU seconds."""
        tasks = _all_of(small_tasks(self._load, name))
        if is_loaded:
            tasks += slow_tasks(self._load, name) + _all_of(vanishing_tasks(self._load, name))
        began, cpu_before = time.perf_counter(), time.process_time()
        envelope = self._upscaler.run(tasks)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_before
        assert "errors" not in envelope
        return {"seconds": seconds, "cpu_seconds": cpu}


def run_round(server: ServerProcess, load: Load, name: str, *, is_loaded: bool) -> dict[str, Any]:
    """Runs a round against a server, and checks that every task has one answer.

    Returns:
        Its figures, and the answers by taskUUID.
    """
    tasks = _all_of(small_tasks(load, name))
    with contextlib.ExitStack() as stack:
        clients = stack.enter_context(waiting("clients", load, name, server.port))
        hostile = stack.enter_context(waiting("hostile", load, name, server.port)) if is_loaded else None
        before, cpu_before = server.memory(), server.cpu_seconds()
        server.reset_peak()
        began = time.perf_counter()
        for process in filter(None, (hostile, clients)):
            let_go(process)
        told = outcome(clients)
        server.wait_until_idle()
        seconds = max(told["began"] + told["seconds"], time.perf_counter() if is_loaded else 0) - began
        cpu = server.cpu_seconds() - cpu_before
        found = {} if hostile is None else _checked_hostile(outcome(hostile), load, name)
    assert told["failures"] == []
    assert problems(tasks, told["answers"]) == []
    assert server.get("/healthz") == (200, b"ok\n")
    answers = [answer for [answer] in told["answers"].values()]
    p50, p99 = np.percentile([answer["seconds"] for answer in answers if "code" not in answer], [50, 99])
    found |= {
        "seconds": seconds, "cpu_seconds": cpu, "clients_cpu_seconds": told["cpu_seconds"], "p50": p50, "p99": p99,
        "outcomes": Counter(answer.get("code", "done") for answer in answers),
        "memory": {"before": before, "peak": server.memory("VmHWM"), "after": server.memory()},
        "from_to": [began, time.perf_counter()],
    }  # fmt: skip
    return found | {"answers": told["answers"]}


def _checked_hostile(told: dict[str, Any], load: Load, name: str) -> dict[str, Any]:
    assert told["failures"] == []
    assert problems(slow_tasks(load, name), told["answers"]) == []
    assert (sum(told["replies"].values()), told["vanished"]) == (load.garbage, load.vanishing)
    return {"hostile_cpu_seconds": told["cpu_seconds"], "garbage": told["replies"]}


def check_files(server: ServerProcess, tasks: Sequence[Task], answers: dict[str, Any], digests: Sequence[str]) -> int:
    """Checks that the images at the addresses of all answers are those of the right tasks; returns their number."""
    count = 0
    for task, digest in zip(tasks, digests, strict=True):
        [answer] = answers[task["taskUUID"]]
        if "code" in answer:
            continue
        status, content = server.get("/images/" + answer["imageURL"].rpartition("/")[2])
        assert (status, _digest(content)) == (200, digest), f"the image of task {task['taskUUID']} is another one"
        count += 1
    return count


def measure(load: Load, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Runs all rounds, each after the same work in this process.

    Returns:
        Their figures. The first quiet and the first loaded one are the warm-up.
    """
    in_process = InProcess(folder / "in_process", load)
    watch = folder / "watch.json"
    found = []
    with (
        serving(folder / "quiet", "-m", "tilewright", "serve") as quiet,
        serving(folder / "loaded", str(_WATCHED), str(watch)) as loaded,
    ):
        for number in range(rounds + 1):
            for server, is_loaded in ((quiet, False), (loaded, True)):
                name = f"{'loaded' if is_loaded else 'quiet'} {number}"
                alone = in_process.run(name, is_loaded=is_loaded)
                one = run_round(server, load, name, is_loaded=is_loaded)
                tasks = _all_of(small_tasks(load, name))
                one["files_compared"] = check_files(server, tasks, one.pop("answers"), in_process.digests)
                one["in_process"] = alone
                one["relative_throughput"] = alone["seconds"] / one["seconds"]
                found.append({"name": name, "is_loaded": is_loaded, "is_warm_up": number == 0, **one})
                print(f"{name}: {one['seconds']:.1f} s, in process {alone['seconds']:.1f} s", flush=True)
        assert (quiet.stop(), loaded.stop()) == (0, 0), "the servers did not stop with status 0"
    add_delays(found, json.loads(watch.read_text()))
    return found


def add_delays(rounds: list[dict[str, Any]], delays: list[list[float]]) -> None:
    """Adds the longest delays of the event loop to the rounds in which they were."""
    for one in rounds:
        began, ended = one.pop("from_to")
        if one["is_loaded"]:
            inside = [delay[1:] for delay in delays if began <= delay[0] <= ended]
            one["delays"] = sorted(inside, reverse=True)[:5]
            one["delays_above_50_ms"] = sum(delay[0] > 0.05 for delay in inside)


def _all_of(tasks_of_clients: Sequence[Sequence[Task]]) -> list[Task]:
    return [task for tasks in tasks_of_clients for task in tasks]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="after one of warm-up (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="a tiny load and one round, as a test")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    load, rounds = (_SMALL, 1) if arguments.smoke else (Load(), arguments.rounds)
    commit = get_commit_info()
    results = {
        "machine_info": machine.describe(pytest_benchmark_generate_machine_info())
        | {"load_before": os.getloadavg()[0]},
        "commit_info": {key: commit.get(key) for key in ("id", "time", "dirty")},
        "datetime": datetime.datetime.now(datetime.UTC).isoformat(),
        "smoke": arguments.smoke,
        "load": load.as_json(),
    }
    with tempfile.TemporaryDirectory() as folder:
        results["rounds"] = measure(load, rounds, Path(folder))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(*server_load_table.lines(results), sep="\n")


if __name__ == "__main__":
    main()
