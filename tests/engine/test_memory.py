"""Many tasks leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
from pathlib import Path

import numpy as np
import pytest

import tilewright
from support.soak import problems, soak
from tilewright import Upscaler
from tilewright.testing import make_picture

TASKS = 1000
_MEBIBYTE = 2**20


def resident():
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own account of memory")
def test_memory_is_flat_over_a_thousand_tasks(tmp_path):
    """Sync and async, from threads and event loops; base64, so that 1,000 pictures that are kept would show."""
    picture = make_picture(64, 64)

    def tasks(count, **fields):
        return [
            tilewright.new_task(picture, 2, outputType="base64Data", outputFormat="PNG", **fields) for _ in range(count)
        ]

    with Upscaler(device="cpu", store=tmp_path) as upscaler:

        def some(count):
            def in_a_loop():
                async def main():
                    for task in tasks(count // 8):
                        assert "errors" not in await upscaler.aupscale(task)

                asyncio.run(main())

            def in_a_thread():
                for task in tasks(count // 8):
                    assert "errors" not in upscaler.run(task)

            threads = [threading.Thread(target=target) for target in [in_a_loop] * 2 + [in_a_thread] * 4]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert "errors" not in upscaler.run(tasks(count - 6 * (count // 8), deliveryMethod="async"))
            upscaler._runner.wait()

        some(TASKS // 5)
        before = resident()
        some(TASKS)
        grown = resident() - before
    print(
        f"\nresident: {before / _MEBIBYTE:.1f} MiB after {TASKS // 5} tasks, "
        f"{grown / _MEBIBYTE:+.1f} MiB after {TASKS} more"
    )
    # 1,000 results as base64 would be 40 MiB, their pictures 12 MiB.
    assert grown < 8 * _MEBIBYTE


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own account of memory")
def test_nothing_grows_over_tasks_of_all_kinds():
    before, after, outcomes = soak(0, rounds=10)
    assert problems(before, after, outcomes) == []
    assert {"done", "cancelled", "invalidInputImage", "unsupportedOutputFormat"} <= set(outcomes)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own account of memory")
def test_memory_does_not_grow_with_the_sizes_a_network_has_seen():
    """A runtime that kept what it prepared for 300 more would keep 75 MiB, and on some processors ten times that."""
    shapes = [(height, width) for height in range(16, 44) for width in range(16, 41)]
    random.Random(0).shuffle(shapes)  # larger ones keep more: they should not all come last
    with Upscaler(device="cpu") as upscaler:
        session = upscaler._networks.session("realesr-animevideov3", 4, "auto")

        def run(some):
            for height, width in some:
                session.run(np.zeros((1, 3, height, width), np.float32))

        run(shapes[:400])
        before = resident()
        run(shapes[400:])
        grown = resident() - before
    assert grown < 16 * _MEBIBYTE
