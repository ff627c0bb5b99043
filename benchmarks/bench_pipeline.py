"""What does the way round the network cost: u8 array in to u8 array out, over the bare network on the whole picture?"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import reference
from tilewright import Settings, Upscaler
from tilewright.engine.pipeline import layers_for, run
from tilewright.engine.planner import plan_tiles
from tilewright.models.probe import natural_patch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from tilewright._core import TilePlan
    from tilewright.engine.sessions import Session
    from turns import InTurns

NETWORK = "realesr-animevideov3"
FACTOR = 4
THREADS = 2
ROUNDS = 9
PICTURES = 3
NAMED = "the bare network"


@contextmanager
def opened(tile: int | None = None) -> Iterator[Upscaler]:
    settings = replace(Settings.from_environment(), threads=THREADS)
    with Upscaler(model=NETWORK, device="cpu", tile=tile, settings=settings) as upscaler:
        yield upscaler


@pytest.fixture(scope="module")
def bare() -> Iterator[Session]:
    """The network on its own. Not the one of the pipeline, whose buffers would have to change size at every turn."""
    with opened() as upscaler:
        yield upscaler.session(factor=FACTOR)


@pytest.fixture(scope="module")
def pictures(smoke: bool) -> list[NDArray[np.uint8]]:
    side = 96 if smoke else 1024
    picture = reference.quantise(natural_patch(side, side), np.uint8, (0.0, 1.0))
    return [np.roll(picture, (37 * i, 91 * i), axis=(0, 1)) for i in range(PICTURES)]


@pytest.fixture(scope="module")
def batches(pictures: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
    return [np.ascontiguousarray(picture.transpose(2, 0, 1)[None] / np.float32(255)) for picture in pictures]


def quantised(result: NDArray[np.float32]) -> NDArray[np.uint8]:
    samples: NDArray[np.uint8] = reference.quantise(result[0].transpose(1, 2, 0), np.uint8, (0.0, 1.0))
    return samples


def facts(session: Session, plan: TilePlan) -> dict[str, object]:
    return {
        "network": f"{session.spec.name} x{session.spec.scale}",
        "runtime": session.runtime,
        "precision": session.precision,
        "threads": THREADS,
        "megapixels": plan.width * plan.height / 1e6,
        "tiles": len(plan),
        "redundancy": plan.redundancy,
    }


@pytest.mark.parametrize("tiled", [False, True], ids=["planned", "small-tiles"])
def bench_upscale_array(
    benchmark: BenchmarkFixture,
    in_turns: InTurns,
    smoke: bool,
    bare: Session,
    pictures: list[NDArray[np.uint8]],
    batches: list[NDArray[np.float32]],
    tiled: bool,
) -> None:
    """As the planner plans it; and in forced small tiles, which shows what halos cost."""
    tile = (64 if smoke else 256) if tiled else None
    height, width, _ = pictures[0].shape
    with opened(tile) as upscaler:
        plan = plan_tiles(width, height, bare.spec, tile=tile, memory_budget=upscaler.settings.memory_budget)
        # This network's halo makes tiling exact, but a runtime may round by the shape of its input.
        allowed = 0 if len(plan) == 1 else 1
        for picture, batch in zip(pictures, batches, strict=True):
            got = upscaler.upscale_array(picture, FACTOR)
            np.testing.assert_allclose(got.astype(np.int16), quantised(bare.run(batch)), rtol=0, atol=allowed)

        benchmark.group = f"pipeline, {width} × {height} × {FACTOR}"
        benchmark.extra_info.update(facts(upscaler.session(factor=FACTOR), plan))
        in_turns(
            lambda number: upscaler.upscale_array(pictures[number % PICTURES], FACTOR),
            label=f"tiles of {tile}" if tiled else "as planned",
            against=lambda number: bare.run(batches[number % PICTURES]),
            named=NAMED,
            rounds=ROUNDS,
        )


class NoNetwork:
    """A session that takes no time: it returns what the real one returned."""

    def __init__(self, session: Session) -> None:
        self.spec = session.spec
        self.device, self.runtime, self.precision = session.device, session.runtime, session.precision
        self.result: NDArray[np.float32]

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG002 - the session's signature
        return self.result


def bench_without_network(
    benchmark: BenchmarkFixture,
    in_turns: InTurns,
    bare: Session,
    pictures: list[NDArray[np.uint8]],
    batches: list[NDArray[np.float32]],
) -> None:
    """The glue alone: gather, blend and the loop, the picture being one tile."""
    session = NoNetwork(bare)
    results = [bare.run(batch).copy() for batch in batches]
    height, width, _ = pictures[0].shape
    plan = plan_tiles(width, height, bare.spec, tile=max(width, height))

    def glue(number: int) -> NDArray[np.uint8]:
        session.result = results[number % PICTURES]
        target = np.empty((height * FACTOR, width * FACTOR, 3), np.uint8)
        layers = layers_for(pictures[number % PICTURES], target, bare.spec)
        run(layers, plan, session, exact_session=lambda: session)
        return target

    for number, result in enumerate(results):
        np.testing.assert_array_equal(glue(number), quantised(result))

    benchmark.group = f"pipeline, {width} × {height} × {FACTOR}"
    benchmark.extra_info.update(facts(bare, plan))
    in_turns(
        glue,
        label="without the network",
        against=lambda number: bare.run(batches[number % PICTURES]),
        named=NAMED,
        rounds=ROUNDS,
    )
