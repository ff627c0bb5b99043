"""Times a step and a baseline alternately, so that a disturbance of the machine affects both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

# Called with the number of the round, which selects the input.
Step = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a step is compared with.

    Attributes:
        name: Name of the baseline in the results.
        step: The work to time.
    """

    name: str
    step: Step


@dataclass(frozen=True, slots=True)
class InterleavedTimer:
    """Times a step right after its baseline in every round, and records how the two compare.

    Attributes:
        benchmark: Receives the times of the step. Its ``extra_info`` receives ``compared`` (times
            of the baseline), ``ratio`` (time of the step over that of the baseline in the same
            round) and ``added`` (the difference of the two in seconds), each as quartiles.
        smoke: Run the step and its baseline only once, without warm-up.
    """

    benchmark: BenchmarkFixture
    smoke: bool

    def __call__(
        self,
        step: Step,
        *,
        label: str,
        baseline: Baseline,
        rounds: int,
        bytes_moved: int | None = None,
        warmed_up: bool = False,
        pause: float = 0,
    ) -> None:
        """Runs all rounds.

        Args:
            step: The work to time.
            label: Name of the step within its benchmark group.
            baseline: The work to compare it with.
            rounds: Number of timed rounds. One round of warm-up comes first.
            bytes_moved: Bytes read and written by one call of either; recorded as GB/s (10⁹ bytes)
                of both. `None` if a rate has no meaning.
            warmed_up: Both have just run on such inputs, so the round of warm-up is left out.
            pause: Seconds of rest before each of the two. Threads of some runtimes go on
                spinning for milliseconds, and would slow down whatever comes next.
        """
        benchmark, pause = self.benchmark, 0 if self.smoke else pause
        warm_up, rounds = (0, 1) if self.smoke else (0 if warmed_up else 1, rounds)
        baseline_times: list[float] = []

        def time_baseline() -> tuple[tuple[int], dict[str, object]]:
            number = len(baseline_times)
            time.sleep(pause)
            start = time.perf_counter()
            baseline.step(number)
            baseline_times.append(time.perf_counter() - start)
            time.sleep(pause)
            return (number,), {}

        benchmark.extra_info.update(label=label, compared_with=baseline.name)
        benchmark.pedantic(step, setup=time_baseline, rounds=rounds, warmup_rounds=warm_up)
        if benchmark.stats is None:  # --benchmark-disable ran the step once and kept no times
            return

        own, other = np.array(benchmark.stats.stats.data), np.array(baseline_times[warm_up:])
        benchmark.extra_info.update(
            compared=quartiles(other),
            ratio=quartiles(own / other),
            added=quartiles(own - other),
        )
        if bytes_moved is not None:
            benchmark.extra_info.update(
                bytes_moved=bytes_moved,
                gb_per_s=bytes_moved / float(np.median(own)) / 1e9,
                compared_gb_per_s=bytes_moved / float(np.median(other)) / 1e9,
            )


def quartiles(values: np.ndarray | list[float]) -> dict[str, float]:
    """Returns the median and the first and third quartile as ``median``, ``q1`` and ``q3``."""
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "q1": float(q1), "q3": float(q3)}
