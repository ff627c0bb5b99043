"""Throughput of many small pictures, relative to the bare network."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import workload
from interleaved import Baseline
from peers.arrays import batch_of, pixels_of
from peers.openvino_bare import NAME, BareNetwork
from tilewright import ImageStore, new_task, raise_for_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer
    from tilewright import Upscaler

    Pictures = list[NDArray[np.uint8]]

MEAN, LARGEST = 0.3, 4  # as in bench_pipeline.py


@pytest.fixture
def pictures(smoke: bool) -> Pictures:
    """Square parts of the photograph, row by row."""
    side, count, whole = (32, 4, 128) if smoke else (128, 64, 1024)
    photo = workload.photo(whole)
    across = whole // side
    corners = [(side * (i // across), side * (i % across)) for i in range(count)]
    return [np.ascontiguousarray(photo[top : top + side, left : left + side]) for top, left in corners]


def measure(
    step: Callable[[], object],
    results: Pictures,
    *,
    label: str,
    pictures: Pictures,
    benchmark: BenchmarkFixture,
    time_interleaved: InterleavedTimer,
) -> None:
    """Checks and times a method, interleaved with the bare network on one picture after the other.

    Args:
        step: Upscales all pictures.
        results: The results of a first call of `step`.
        label: Name of the method.
        pictures: The inputs.
        benchmark: The benchmark.
        time_interleaved: The timer.
    """
    batches = [batch_of(picture) for picture in pictures]
    bare = BareNetwork(workload.network_path(), threads=workload.THREADS)
    for got, batch in zip(results, batches, strict=True):
        workload.assert_close(got, pixels_of(bare.run(batch)[0]), mean=MEAN, largest=LARGEST)

    def run_bare(_: int) -> None:
        for batch in batches:
            bare.run(batch)

    side = len(pictures[0])
    benchmark.group = f"{len(pictures)} pictures of {side} × {side}, × {workload.FACTOR}"
    benchmark.extra_info["megapixels"] = len(pictures) * side * side / 1e6
    time_interleaved(lambda _: step(), label=label, baseline=Baseline(NAME, run_bare), rounds=5, warmed_up=True)


def bench_arrays(benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, pictures: Pictures) -> None:
    """`upscale_array`, called for one picture after the other."""
    with workload.open_upscaler() as upscaler:

        def step() -> Pictures:
            return [upscaler.upscale_array(picture, workload.FACTOR) for picture in pictures]

        measure(
            step,
            step(),
            label="upscale_array",
            pictures=pictures,
            benchmark=benchmark,
            time_interleaved=time_interleaved,
        )


def bench_tasks(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, pictures: Pictures, tmp_path: Path
) -> None:
    """One `Upscaler.run` with a task per picture, from stored PNG files to stored PNG files."""
    store = ImageStore(tmp_path)
    with workload.open_upscaler(store=store) as upscaler:
        tasks = [upload_task(upscaler, picture) for picture in pictures]

        def step() -> list[str]:
            envelope = upscaler.run(tasks)
            raise_for_errors(envelope)
            return [result["imageUUID"] for result in envelope["data"]]

        results = [np.asarray(Image.open(io.BytesIO(store.get(uuid)))) for uuid in step()]
        measure(
            step,
            results,
            label="run",
            pictures=pictures,
            benchmark=benchmark,
            time_interleaved=time_interleaved,
        )


def upload_task(upscaler: Upscaler, picture: NDArray[np.uint8]) -> dict[str, object]:
    """Uploads a picture as PNG, and returns a task that upscales it to PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    uuid = upscaler.upload(file.getvalue())["data"][0]["imageUUID"]
    return new_task(uuid, workload.FACTOR, outputFormat="PNG")
