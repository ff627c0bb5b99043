"""Time of `upscale_array`, uint8 to uint8, relative to the bare network on the whole picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import workload
from interleaved import Baseline
from peers.arrays import batch_of, pixels_of
from peers.openvino_bare import NAME, BareNetwork
from support import reference
from support.jobs import run_picture
from tilewright.engine.host.executor import HostExecutor
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sinks import ArraySink

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer
    from tilewright import Upscaler
    from tilewright.engine.sessions.base import Session

PICTURES = 2

# Where both compute in bf16, the canvas adds the input to the result in float32, the graph in bf16.
MEAN, LARGEST = 0.3, 4


@pytest.fixture(scope="module")
def bare() -> BareNetwork:
    """The bare network."""
    return BareNetwork(workload.network_path(), threads=workload.THREADS)


def report_facts(upscaler: Upscaler) -> dict[str, object]:
    """Returns the stored part of the last report."""
    report = upscaler.last_report
    assert report is not None
    return {
        "network": report.network,
        "threads": workload.THREADS,
        "megapixels": report.input_size[0] * report.input_size[1] / 1e6,
        "tiles": report.tiles,
        "redundancy": report.redundancy,
        "stages": report.seconds,
    }


def measure(
    benchmark: BenchmarkFixture,
    time_interleaved: InterleavedTimer,
    bare: BareNetwork,
    *,
    side: int,
    tile: int | None,
    rounds: int,
) -> None:
    """Checks and times `upscale_array`.

    Args:
        benchmark: The benchmark.
        time_interleaved: The timer.
        bare: The bare network.
        side: Side of the pictures in pixels.
        tile: Side of the tiles in pixels; `None` for the planner's choice.
        rounds: Number of timed rounds.
    """
    pictures = workload.photos(side, PICTURES)
    batches = [batch_of(picture) for picture in pictures]
    with workload.open_upscaler(tile=tile) as upscaler:
        for picture, batch in zip(pictures, batches, strict=True):
            got = upscaler.upscale_array(picture, workload.FACTOR)
            workload.assert_close(got, pixels_of(bare.run(batch)[0]), mean=MEAN, largest=LARGEST)

        benchmark.group = f"pipeline, {side} × {side} × {workload.FACTOR}"
        time_interleaved(
            lambda number: upscaler.upscale_array(pictures[number % PICTURES], workload.FACTOR),
            label=f"tiles of {tile}" if tile else "as planned",
            baseline=Baseline(NAME, lambda number: bare.run(batches[number % PICTURES])),
            rounds=rounds,
            warmed_up=True,
        )
        benchmark.extra_info.update(report_facts(upscaler))


@pytest.mark.parametrize("side", [128, 256, 512, 1024])
def bench_upscale_array(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, bare: BareNetwork, side: int
) -> None:
    """With the tiles that the planner chooses."""
    rounds = 7 if side == 1024 else 9
    if smoke:
        side = 16 + side // 32
    measure(benchmark, time_interleaved, bare, side=side, tile=None, rounds=rounds)


def bench_small_tiles(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, bare: BareNetwork
) -> None:
    """With small tiles, which shows the cost of halos."""
    side, tile = (64, 56) if smoke else (1024, 256)
    measure(benchmark, time_interleaved, bare, side=side, tile=tile, rounds=3)


class StoredResultSession:
    """A session that takes no time: it returns a result of the real session."""

    def __init__(self, session: Session) -> None:
        self.spec, self.tail, self.new_result = session.spec, session.tail, session.new_result
        self.device, self.runtime, self.precision = session.device, session.runtime, session.precision
        self.result: NDArray[np.floating]

    def run(
        self,
        batch: NDArray[np.float32],  # noqa: ARG002 - the signature of sessions
        result: NDArray[np.floating] | None = None,  # noqa: ARG002
    ) -> NDArray[np.floating]:
        """Returns the stored result."""
        return self.result


def bench_without_network(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, bare: BareNetwork
) -> None:
    """Without the network: gather, blend and the loop over one tile."""
    side = 32 if smoke else 1024
    pictures = workload.photos(side, PICTURES)
    batches = [batch_of(picture) for picture in pictures]
    with workload.open_upscaler() as upscaler:
        real = upscaler.session(factor=workload.FACTOR)
        results = [real.run(batch, real.new_result(batch.shape)) for batch in batches]
    session, executor = StoredResultSession(real), HostExecutor()
    plan = plan_tiles(side, side, real.spec, tile=side)

    def step(number: int) -> NDArray[np.uint8]:
        session.result = results[number % PICTURES]
        target = np.empty((side * workload.FACTOR, side * workload.FACTOR, 3), np.uint8)
        run_picture(pictures[number % PICTURES], plan, session, ArraySink(target), executor=executor)
        return target

    for number, (result, batch) in enumerate(zip(results, batches, strict=True)):
        whole = result if real.tail is None else real.tail.applied(result.astype(np.float32), batch)
        want = reference.quantise(whole[0].transpose(1, 2, 0), np.uint8, (0.0, 1.0))
        np.testing.assert_array_equal(step(number), want)

    benchmark.group = f"pipeline, {side} × {side} × {workload.FACTOR}"
    time_interleaved(
        step,
        label="without the network",
        baseline=Baseline(NAME, lambda number: bare.run(batches[number % PICTURES])),
        rounds=3,
    )
