"""Soak test: runs thousands of valid and invalid tasks of all kinds, and checks that nothing grows.

Run ``python -m support.soak --minutes 10`` in the folder ``tests``. It measures memory, threads, open files and stored
files after each round, and fails if any of them grows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

import tilewright
from fuzz.mutations import mutated
from fuzz.seeds import seeds
from support.fake_networks import with_fake_networks
from support.memory import resident_memory
from tilewright import Settings, Upscaler
from tilewright.testing import make_picture

TASKS_PER_ROUND = 50
# Thread pools reach their final size only after some hundred tasks.
WARM_UP_ROUNDS = 12
# Allowed growth, in MiB. The allocator varies by this much; a picture kept in every round would add more.
MAX_GROWTH = 16


class State(NamedTuple):
    """Quantities that must not grow.

    Attributes:
        mebibytes: Resident memory in MiB.
        threads: Number of threads.
        handles: Number of open files.
        files: Number of files in the store.
    """

    mebibytes: float
    threads: int
    handles: int
    files: int


class Soak:
    """Random tasks for an Upscaler with a store on disk.

    Attributes:
        outcomes: Counts "done", "cancelled", and every error code.
    """

    def __init__(self, folder: Path, seed: int = 1) -> None:
        """Makes the Upscaler.

        Args:
            folder: Folder of the store.
            seed: Seed of the random tasks.
        """
        limits = Settings.from_environment({**os.environ, "TILEWRIGHT_MAX_INPUT_PIXELS": "1000000"})
        self._folder = folder
        # Fake networks, because OpenVINO caches data for each of the hundreds of input shapes.
        self._upscaler = with_fake_networks(Upscaler(settings=limits, device="cpu", store=folder))
        self._random = Random(seed)
        self._kinds = [self._file, self._file, self._broken_file, self._array, self._upload, self._invalid, self._async]
        self.outcomes: Counter[str] = Counter()

    def round(self) -> State:
        """Runs single tasks, calls with two tasks, and asyncio tasks, some of them cancelled. Returns the state."""
        for _ in range(TASKS_PER_ROUND // 5):
            self._count(self._upscaler.run(self._task()))
            self._count(self._upscaler.run([self._task(), self._task()]))
        asyncio.run(self._run_in_event_loop())
        self._upscaler._runner.wait()
        while self._upscaler._runner._reserved:  # cancelled tasks stop after the current tile
            time.sleep(0.01)
        for path in self._folder.iterdir():  # except partial files, which must not be left
            if path.suffix != ".partial":
                path.unlink()
        return self._state()

    async def _run_in_event_loop(self) -> None:
        for _ in range(TASKS_PER_ROUND // 5):
            self._count(await self._upscaler.arun(self._task()))
            task = asyncio.create_task(self._upscaler.arun(self._task()))
            await asyncio.sleep(self._random.random() / 50)
            if task.cancel():
                self.outcomes["cancelled"] += 1
            await asyncio.wait([task])

    def _count(self, envelope: dict) -> None:
        self.outcomes.update(item["code"] for item in envelope.get("errors", []))
        self.outcomes["done"] += len(envelope["data"])

    def _state(self) -> State:
        return State(
            resident_memory() / 2**20,
            len(list(Path("/proc/self/task").iterdir())),
            len(list(Path("/proc/self/fd").iterdir())),
            len(list(self._folder.iterdir())),
        )

    def _task(self) -> dict:
        return self._random.choice(self._kinds)()

    def _new(self, picture: object, **fields: object) -> dict:
        return tilewright.new_task(
            picture,
            self._random.choice([2, 3, 4]),
            outputFormat=self._random.choice(["PNG", "JPG", "WEBP"]),
            outputType=self._random.choice(["URL", "base64Data", ["dataURI", "URL"]]),
            **fields,
        )

    def _file(self) -> dict:
        return self._new(self._random.choice([*seeds().values()]))

    def _broken_file(self) -> dict:
        return self._new(mutated(self._random.choice([*seeds().values()]), self._random))

    def _array(self) -> dict:
        return self._new(make_picture(self._random.randint(1, 60), self._random.randint(1, 60)))

    def _async(self) -> dict:
        return {**self._random.choice([self._file, self._broken_file])(), "deliveryMethod": "async"}

    def _upload(self) -> dict:
        return {"taskType": "imageUpload", "taskUUID": self._file()["taskUUID"], "image": self._file()["inputImage"]}

    def _invalid(self) -> dict:
        return {**self._file(), self._random.choice(["upscaleFactor", "outputFormat", "model", "x"]): "nothing"}


def soak(seconds: float, *, rounds: int = 0, seed: int = 1) -> tuple[State, State, Counter[str]]:
    """Runs rounds of tasks.

    Args:
        seconds: Minimum time in seconds, after the warm-up.
        rounds: Minimum number of rounds, after the warm-up.
        seed: Seed of the random tasks.

    Returns:
        The state after the warm-up, the state at the end, and the number of tasks by outcome.
    """
    with tempfile.TemporaryDirectory() as folder:
        soaked = Soak(Path(folder), seed)
        for _ in range(WARM_UP_ROUNDS):
            before = after = soaked.round()
        end, number = time.monotonic() + seconds, 0
        while number < rounds or time.monotonic() < end:
            after, number = soaked.round(), number + 1
            if number % 20 == 0:
                print(f"{sum(soaked.outcomes.values())} tasks: {after}", flush=True)
        return before, after, soaked.outcomes


def problems(before: State, after: State, outcomes: Counter[str]) -> list[str]:
    """Describes what has grown, and outcomes that must not occur. The list is empty if all is well."""
    found = [] if "internalServerError" not in outcomes else ["an internalServerError"]
    if after.mebibytes > before.mebibytes + MAX_GROWTH:
        found.append("memory has grown")
    # The number of threads in the pools of the runtime and of libvips varies.
    found += [f"more {name}" for name in ("handles", "files") if getattr(after, name) > getattr(before, name)]
    return found + (["more threads"] if after.threads > before.threads + os.cpu_count() else [])


def main() -> int:
    """Runs the soak test and prints the outcome. Returns the exit status: 1 if there are problems."""
    parser = argparse.ArgumentParser(
        prog="python -m support.soak", description="Checks that nothing grows over many tasks."
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    before, after, outcomes = soak(60 * arguments.minutes, seed=arguments.seed)
    print(f"after the warm-up: {before}\nat the end:        {after}\n{dict(outcomes.most_common())}")
    found = problems(before, after, outcomes)
    print(f"{sum(outcomes.values())} tasks, problems: {', '.join(found) or 'none'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
