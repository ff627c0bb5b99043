"""Two things timed in turns, so that whatever disturbs the machine disturbs both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

# Called with the number of the round, by which it changes its input.
Step = Callable[[int], object]


class InTurns(Protocol):
    """`in_turns` with its first arguments given: the fixture of that name."""

    def __call__(
        self,
        step: Step,
        *,
        label: str,
        against: Step,
        named: str,
        rounds: int,
        bytes_moved: int | None = None,
        warm: bool = False,
    ) -> None: ...


def in_turns(
    benchmark: BenchmarkFixture,
    smoke: bool,
    step: Step,
    *,
    label: str,
    against: Step,
    named: str,
    rounds: int,
    bytes_moved: int | None = None,
    warm: bool = False,
) -> None:
    """Times `step`, each time just after `against`, and records how the two compare.

    Args:
        benchmark: takes the times of `step`, and in its ``extra_info`` the rest: ``compared`` (times of `against`),
            ``ratio`` (time of `step` over that of `against` in the same round) and ``added`` (their difference in
            seconds).
        smoke: run each once only.
        step: what is measured.
        label: what to call it within its group.
        against: what it is compared with.
        named: what to call that.
        rounds: how often, after one round of warm-up.
        warm: both have just run on such inputs, and need no round of warm-up.
        bytes_moved: by one call of either; recorded as GB/s (10⁹ bytes) of both.
    """
    warm_up, rounds = (0, 1) if smoke else (0 if warm else 1, rounds)
    others: list[float] = []

    def other_first() -> tuple[tuple[int], dict[str, object]]:
        number = len(others)
        start = time.perf_counter()
        against(number)
        others.append(time.perf_counter() - start)
        return (number,), {}

    benchmark.extra_info.update(label=label, compared_with=named)
    benchmark.pedantic(step, setup=other_first, rounds=rounds, warmup_rounds=warm_up)
    if benchmark.stats is None:  # --benchmark-disable: it ran, and that was all
        return

    own, other = np.array(benchmark.stats.stats.data), np.array(others[warm_up:])
    benchmark.extra_info.update(
        compared=spread(other),
        ratio=spread(own / other),
        added=spread(own - other),
    )
    if bytes_moved is not None:
        benchmark.extra_info.update(
            bytes_moved=bytes_moved,
            gb_per_s=bytes_moved / float(np.median(own)) / 1e9,
            compared_gb_per_s=bytes_moved / float(np.median(other)) / 1e9,
        )


def spread(values: np.ndarray) -> dict[str, float]:
    """Median and quartiles: half of the rounds lie between the latter."""
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "q1": float(q1), "q3": float(q3)}
