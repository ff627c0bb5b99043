"""What a server process counts, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from tilewright.service.totals import Totals

_TASK_TYPES = ("imageUpscale", "upscale", "imageUpload", "getResponse")

# Seconds, from a small picture to a very large one.
_BUCKETS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


class Metrics:
    """What one server process counts.

    Label values are chosen from what the server knows, so that clients cannot add any.
    """

    def __init__(self, totals: Totals) -> None:
        """Starts at zero.

        Args:
            totals: Sums over upscaled pictures, which are exposed too.
        """
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_TotalsCollector(totals))
        self._tasks = Counter(
            "tilewright_tasks", "Tasks that ended, and asynchronous ones that were accepted.", ["type", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "tilewright_task_seconds", "Seconds from a call's arrival to the end of a task.", ["type"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        for task_type in (*_TASK_TYPES, "other"):
            self._seconds.labels(task_type)  # exposed as 0 before the first task

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Adds a number that is asked for whenever metrics are read."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def count(self, task: Mapping[str, Any], outcome: str, seconds: float) -> None:
        """Counts a task that ended, or an asynchronous one that was accepted. It is thread-safe.

        Args:
            task: The task, as it was sent.
            outcome: ``"ok"``, ``"accepted"`` or the code of an error.
            seconds: Seconds since the call arrived.
        """
        sent = task.get("taskType")
        task_type = sent if sent in _TASK_TYPES else "other"
        self._tasks.labels(task_type, outcome).inc()
        if outcome != "accepted":
            self._seconds.labels(task_type).observe(seconds)

    def exposed(self) -> Response:
        """Returns all numbers in Prometheus' text format."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class _TotalsCollector(Collector):
    """Exposes sums over upscaled pictures."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[CounterMetricFamily]:
        totals = self._totals
        pixels = CounterMetricFamily("tilewright_megapixels", "Megapixels of pictures and results.", labels=["of"])
        pixels.add_metric(["input"], totals.input_pixels / 1e6)
        pixels.add_metric(["result"], totals.output_pixels / 1e6)
        yield pixels
        stages = CounterMetricFamily("tilewright_stage_seconds", "Seconds of pictures by stage.", labels=["stage"])
        for stage, seconds in totals.seconds.items():
            stages.add_metric([stage], seconds)
        yield stages
