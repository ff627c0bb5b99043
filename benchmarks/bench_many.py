"""Many small pictures: at which part of the bare network's rate do they go through?"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import subject
from peers.arrays import batch_of, pixels_of
from peers.openvino_bare import NAMED, BareNetwork
from tilewright import ImageStore, new_task, raise_for_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from tilewright import Upscaler
    from turns import InTurns

    Pictures = list[NDArray[np.uint8]]

SIDE = 128
MEAN, MOST = 0.3, 4  # as in bench_pipeline.py


@pytest.fixture
def pictures(smoke: bool) -> Pictures:
    whole = subject.photo(1024)
    across = len(whole) // SIDE
    corners = [(SIDE * (i // across), SIDE * (i % across)) for i in range(4 if smoke else 64)]
    return [np.ascontiguousarray(whole[top : top + SIDE, left : left + SIDE]) for top, left in corners]


def measure(
    step: Callable[[], object],
    results: Pictures,
    *,
    label: str,
    pictures: Pictures,
    benchmark: BenchmarkFixture,
    in_turns: InTurns,
) -> None:
    """`results` are those of a first `step`. The bare network takes the pictures one after the other."""
    batches = [batch_of(picture) for picture in pictures]
    bare = BareNetwork(subject.network_path(), threads=subject.THREADS)
    for got, batch in zip(results, batches, strict=True):
        subject.check_alike(got, pixels_of(bare.run(batch)[0]), mean=MEAN, most=MOST)

    def floor(_: int) -> None:
        for batch in batches:
            bare.run(batch)

    benchmark.group = f"{len(pictures)} pictures of {SIDE} × {SIDE}, × {subject.FACTOR}"
    benchmark.extra_info["megapixels"] = len(pictures) * SIDE * SIDE / 1e6
    in_turns(lambda _: step(), label=label, against=floor, named=NAMED, rounds=5, warm=True)


def bench_arrays(benchmark: BenchmarkFixture, in_turns: InTurns, pictures: Pictures) -> None:
    """`upscale_array` for one after the other."""
    with subject.opened() as upscaler:

        def step() -> Pictures:
            return [upscaler.upscale_array(picture, subject.FACTOR) for picture in pictures]

        measure(step, step(), label="upscale_array", pictures=pictures, benchmark=benchmark, in_turns=in_turns)


def bench_tasks(benchmark: BenchmarkFixture, in_turns: InTurns, pictures: Pictures, tmp_path: Path) -> None:
    """`Upscaler.run` for all at once: stored PNG files in, stored PNG files out."""
    store = ImageStore(tmp_path)
    with subject.opened(store=store) as upscaler:
        tasks = [task_of(upscaler, picture) for picture in pictures]

        def step() -> list[str]:
            envelope = upscaler.run(tasks)
            raise_for_errors(envelope)
            return [result["imageUUID"] for result in envelope["data"]]

        results = [np.asarray(Image.open(io.BytesIO(store.get(uuid)))) for uuid in step()]
        measure(step, results, label="run", pictures=pictures, benchmark=benchmark, in_turns=in_turns)


def task_of(upscaler: Upscaler, picture: NDArray[np.uint8]) -> dict[str, object]:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    uuid = upscaler.upload(file.getvalue())["data"][0]["imageUUID"]
    return new_task(uuid, subject.FACTOR, outputFormat="PNG")
