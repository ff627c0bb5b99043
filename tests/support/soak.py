"""Thousands of tasks of all kinds, good and bad, after which everything is as it was: ``python -m soak --minutes 10``.

Run it in the folder tests. It counts memory, threads, handles and files between rounds, and fails when they grow.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
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
from tilewright import Settings, Upscaler
from tilewright.testing import make_picture

TASKS_A_ROUND = 50
# Pools of threads are as large as they become only after some hundred tasks.
WARM_UP_ROUNDS = 12
MEBIBYTES = 16  # the allocator's own ups and downs; a picture kept in every round would be more


class State(NamedTuple):
    """What must not grow."""

    mebibytes: float
    threads: int
    handles: int
    files: int


class Soak:
    """An Upscaler with a store on the disk, and the tasks that it is given."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        """Opens nothing yet."""
        limits = Settings.from_environment({**os.environ, "TILEWRIGHT_MAX_INPUT_PIXELS": "1000000"})
        self._folder = folder
        # OpenVINO keeps something for every shape that it has met, and here are hundreds: what is counted is ours.
        self._upscaler = with_fake_networks(Upscaler(settings=limits, device="cpu", store=folder))
        self._random = Random(seed)
        self._kinds = [self._file, self._file, self._broken_file, self._array, self._upload, self._invalid, self._later]
        self.outcomes: Counter[str] = Counter()

    def round(self) -> State:
        """Tasks of all kinds, one by one, several in a call, and for asyncio, where some are cancelled."""
        for _ in range(TASKS_A_ROUND // 5):
            self._count(self._upscaler.run(self._task()))
            self._count(self._upscaler.run([self._task(), self._task()]))
        asyncio.run(self._in_a_loop())
        self._upscaler._runner.wait()
        while self._upscaler._runner._reserved:  # what was cancelled ends with the tile at hand
            time.sleep(0.01)
        for path in self._folder.iterdir():  # by hand, so that what has no UUID is counted
            if path.suffix != ".partial":
                path.unlink()
        return self._state()

    async def _in_a_loop(self) -> None:
        for _ in range(TASKS_A_ROUND // 5):
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
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return State(
            pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
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

    def _later(self) -> dict:
        return {**self._random.choice([self._file, self._broken_file])(), "deliveryMethod": "async"}

    def _upload(self) -> dict:
        return {"taskType": "imageUpload", "taskUUID": self._file()["taskUUID"], "image": self._file()["inputImage"]}

    def _invalid(self) -> dict:
        return {**self._file(), self._random.choice(["upscaleFactor", "outputFormat", "model", "x"]): "nothing"}


def soak(seconds: float, *, rounds: int = 0, seed: int = 1) -> tuple[State, State, Counter[str]]:
    """Runs rounds for a time, but at least so many.

    Returns:
        How things stood after the warm-up and in the end, and what became of the tasks.
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
    """What has grown, and what should not have happened."""
    found = [] if "internalServerError" not in outcomes else ["an internalServerError"]
    if after.mebibytes > before.mebibytes + MEBIBYTES:
        found.append("memory has grown")
    # Pools of the runtime and of libvips may have fewer threads at one time than at another.
    found += [f"more {name}" for name in ("handles", "files") if getattr(after, name) > getattr(before, name)]
    return found + (["more threads"] if after.threads > before.threads + os.cpu_count() else [])


def main() -> int:
    """Says what was found; the exit status is 1 when anything has grown."""
    parser = argparse.ArgumentParser(prog="python -m soak", description="Runs many tasks and watches what grows.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    before, after, outcomes = soak(60 * arguments.minutes, seed=arguments.seed)
    print(f"after the warm-up: {before}\nin the end:        {after}\n{dict(outcomes.most_common())}")
    found = problems(before, after, outcomes)
    print(f"{sum(outcomes.values())} tasks, found: {', '.join(found) or 'nothing'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
