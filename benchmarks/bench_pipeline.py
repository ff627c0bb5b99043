"""What does the way round the network cost: u8 array in to u8 array out, over the bare network on the whole picture?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import subject
from peers.arrays import batch_of, pixels_of
from peers.openvino_bare import NAMED, BareNetwork
from support import reference
from tilewright.engine.host.pipeline import colour_layers, run
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sinks import ArraySink

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from tilewright import Upscaler
    from tilewright.engine.sessions import Session
    from turns import InTurns

PICTURES = 2

# bf16 on both sides, but the canvas adds the picture to the network's result in float32, the graph itself in bf16.
MEAN, MOST = 0.3, 4


@pytest.fixture(scope="module")
def bare() -> BareNetwork:
    return BareNetwork(subject.network_path(), threads=subject.THREADS)


def facts(upscaler: Upscaler) -> dict[str, object]:
    report = upscaler.last_report
    assert report is not None
    return {
        "network": report.network,
        "threads": subject.THREADS,
        "megapixels": report.input_size[0] * report.input_size[1] / 1e6,
        "tiles": report.tiles,
        "redundancy": report.redundancy,
        "stages": report.seconds,
    }


def measure(
    benchmark: BenchmarkFixture, in_turns: InTurns, bare: BareNetwork, side: int, tile: int | None, rounds: int
) -> None:
    pictures = subject.photos(side, PICTURES)
    batches = [batch_of(picture) for picture in pictures]
    with subject.opened(tile=tile) as upscaler:
        for picture, batch in zip(pictures, batches, strict=True):
            got = upscaler.upscale_array(picture, subject.FACTOR)
            subject.check_alike(got, pixels_of(bare.run(batch)[0]), mean=MEAN, most=MOST)

        benchmark.group = f"pipeline, {side} × {side} × {subject.FACTOR}"
        in_turns(
            lambda number: upscaler.upscale_array(pictures[number % PICTURES], subject.FACTOR),
            label=f"tiles of {tile}" if tile else "as planned",
            against=lambda number: bare.run(batches[number % PICTURES]),
            named=NAMED,
            rounds=rounds,
            warm=True,
        )
        benchmark.extra_info.update(facts(upscaler))


@pytest.mark.parametrize("side", [128, 256, 512, 1024])
def bench_upscale_array(
    benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool, bare: BareNetwork, side: int
) -> None:
    """As the planner plans it."""
    measure(benchmark, in_turns, bare, side // 8 if smoke else side, None, 7 if side == 1024 else 9)


def bench_small_tiles(benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool, bare: BareNetwork) -> None:
    """Forced, which shows what halos cost."""
    side, tile = (128, 64) if smoke else (1024, 256)
    measure(benchmark, in_turns, bare, side, tile, 3)


class NoNetwork:
    """A session that takes no time: it returns what the real one returned."""

    def __init__(self, session: Session) -> None:
        self.spec, self.tail, self.new_result = session.spec, session.tail, session.new_result
        self.device, self.runtime, self.precision = session.device, session.runtime, session.precision
        self.result: NDArray[np.floating]

    def run(
        self,
        batch: NDArray[np.float32],  # noqa: ARG002 - the session's signature
        result: NDArray[np.floating] | None = None,  # noqa: ARG002
    ) -> NDArray[np.floating]:
        return self.result


def bench_without_network(benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool, bare: BareNetwork) -> None:
    """The glue alone: gather, blend and the loop, the picture being one tile."""
    side = 128 if smoke else 1024
    pictures = subject.photos(side, PICTURES)
    batches = [batch_of(picture) for picture in pictures]
    with subject.opened() as upscaler:
        real = upscaler.session(factor=subject.FACTOR)
        results = [real.run(batch, real.new_result(batch.shape)) for batch in batches]
    session = NoNetwork(real)
    plan = plan_tiles(side, side, real.spec, tile=side)

    def glue(number: int) -> NDArray[np.uint8]:
        session.result = results[number % PICTURES]
        target = np.empty((side * subject.FACTOR, side * subject.FACTOR, 3), np.uint8)
        layers = colour_layers(pictures[number % PICTURES], real.spec)
        run(layers, plan, session, ArraySink(target), exact_session=lambda: session)
        return target

    for number, (result, batch) in enumerate(zip(results, batches, strict=True)):
        whole = result if real.tail is None else real.tail.applied(result.astype(np.float32), batch)
        want = reference.quantise(whole[0].transpose(1, 2, 0), np.uint8, (0.0, 1.0))
        np.testing.assert_array_equal(glue(number), want)

    benchmark.group = f"pipeline, {side} × {side} × {subject.FACTOR}"
    in_turns(
        glue,
        label="without the network",
        against=lambda number: bare.run(batches[number % PICTURES]),
        named=NAMED,
        rounds=3,
    )
