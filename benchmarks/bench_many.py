"""Many small pictures: at which part of the bare network's rate do they go through?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import subject
from peers.arrays import batch_of, pixels_of
from peers.openvino_bare import NAMED, BareNetwork

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from turns import InTurns

SIDE = 128
MEAN, MOST = 0.3, 4  # as in bench_pipeline.py


def bench_arrays(benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool) -> None:
    """`upscale_array` for one after the other; the bare network takes them one after the other too."""
    count = 4 if smoke else 64
    whole = subject.photo(1024)
    across = len(whole) // SIDE
    corners = [(SIDE * (i // across), SIDE * (i % across)) for i in range(count)]
    pictures = [np.ascontiguousarray(whole[top : top + SIDE, left : left + SIDE]) for top, left in corners]
    batches = [batch_of(picture) for picture in pictures]
    bare = BareNetwork(subject.network_path(), threads=subject.THREADS)
    with subject.opened() as upscaler:
        for picture, batch in zip(pictures, batches, strict=True):
            got = upscaler.upscale_array(picture, subject.FACTOR)
            subject.check_alike(got, pixels_of(bare.run(batch)[0]), mean=MEAN, most=MOST)

        def ours(_: int) -> None:
            for picture in pictures:
                upscaler.upscale_array(picture, subject.FACTOR)

        def floor(_: int) -> None:
            for batch in batches:
                bare.run(batch)

        benchmark.group = f"{count} pictures of {SIDE} × {SIDE}, × {subject.FACTOR}"
        benchmark.extra_info["megapixels"] = count * SIDE * SIDE / 1e6
        in_turns(ours, label="upscale_array", against=floor, named=NAMED, rounds=5, warm=True)
