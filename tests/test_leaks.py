"""Memory, threads and files do not grow over many tasks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import tilewright
from support.memory import resident_memory
from support.paths import ROOT
from support.processes import run_program
from support.soak import problems, soak
from support.threads import run_in_threads
from tilewright import Upscaler
from tilewright.testing import make_picture

TASKS = 1000
_MEBIBYTE = 2**20


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc/self/statm")
def test_memory_does_not_grow_over_a_thousand_tasks(tmp_path):
    """The tasks are sync and async, from threads and event loops. Results in base64 would show if they were kept."""
    picture = make_picture(64, 64)

    def tasks(count, **fields):
        return [
            tilewright.new_task(picture, 2, outputType="base64Data", outputFormat="PNG", **fields) for _ in range(count)
        ]

    with Upscaler(device="cpu", store=tmp_path) as upscaler:

        def run_tasks(count):
            def run_in_event_loop():
                async def main():
                    for task in tasks(count // 8):
                        assert "errors" not in await upscaler.aupscale(task)

                asyncio.run(main())

            def run_in_thread():
                for task in tasks(count // 8):
                    assert "errors" not in upscaler.run(task)

            run_in_threads(*[run_in_event_loop] * 2, *[run_in_thread] * 4)
            assert "errors" not in upscaler.run(tasks(count - 6 * (count // 8), deliveryMethod="async"))
            upscaler._runner.wait()

        run_tasks(TASKS // 5)
        before = resident_memory()
        run_tasks(TASKS)
        grown = resident_memory() - before
    print(
        f"\nresident: {before / _MEBIBYTE:.1f} MiB after {TASKS // 5} tasks, "
        f"{grown / _MEBIBYTE:+.1f} MiB after {TASKS} more"
    )
    # 1,000 results as base64 would be 40 MiB, their pictures 12 MiB.
    assert grown < 8 * _MEBIBYTE


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc/self/statm")
def test_soak_test_finds_no_growth():
    before, after, outcomes = soak(0, rounds=10)
    assert problems(before, after, outcomes) == []
    assert {"done", "cancelled", "invalidInputImage", "unsupportedOutputFormat"} <= set(outcomes)


# Prints how many bytes a process grows by. Others that ran tests before keep freed memory, and grow by chance.
GROWTH = """
import random
import numpy as np
from support.memory import resident_memory
from tilewright import Upscaler

sizes = [(height, width) for height in range(16, 44) for width in range(16, 41)]
random.Random(0).shuffle(sizes)  # larger sizes take more memory, so they must not all come last
with Upscaler(device="cpu") as upscaler:
    session = upscaler._networks.session("realesr-animevideov3", 4, "auto")

    def run_on(some_sizes):
        for height, width in some_sizes:
            session.run(np.zeros((1, 3, height, width), np.float32))

    run_on(sizes[:400])
    before = resident_memory()
    run_on(sizes[400:])
    print(resident_memory() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc/self/statm")
def test_memory_does_not_grow_with_the_number_of_tile_sizes(tmp_path, monkeypatch):
    """A runtime that caches its preparation for every size would grow by 75 MiB, on some processors by 750 MiB."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    grown = int(run_program(tmp_path / "growth.py", GROWTH).stdout)
    assert grown < 16 * _MEBIBYTE
