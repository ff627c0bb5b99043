"""What a job took: seconds by stage, tiles, memory."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright._core import TilePlan
    from tilewright.engine.sessions import Session

Stage = Literal["decode", "open", "queue", "gather", "network", "blend", "encode", "store"]
STAGES: tuple[Stage, ...] = get_args(Stage)
_OF_EVERY_TILE = ("gather", "network", "blend")


@dataclass(slots=True)
class Report:
    """Where the time of one picture went, and on what.

    The stages are those of the thread that runs the job, so they add up to `total_seconds`: ``network`` is the time
    spent waiting for it while nothing else was to do, ``encode`` that of handing rows to the encoder, which works on
    threads of its own.

    Attributes:
        seconds: by stage: ``decode`` (resolving and decoding the input), ``open`` (opening the network, the first
            time), ``queue`` (waiting for other pictures), ``gather``, ``network``, ``blend``, ``encode``, ``store``.
        total_seconds: from the first stage to the end of the last.
        input_size: ``(width, height)`` of the picture.
        output_size: likewise of the result.
        network: name, runtime and precision.
        tile_size: ``(width, height)`` in input pixels.
        tiles: how many there were, those of an alpha channel included.
        redundancy: pixels computed / pixels needed, by the plan.
        repeated_tiles: tiles that were run again in float32 because their result was not finite.
        peak_memory: most bytes of memory that the process ever had resident up to the end of the job; None where the
            platform does not tell.
    """

    seconds: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    total_seconds: float = 0.0
    input_size: tuple[int, int] = (0, 0)
    output_size: tuple[int, int] = (0, 0)
    network: str = ""
    tile_size: tuple[int, int] = (0, 0)
    tiles: int = 0
    redundancy: float = 1.0
    repeated_tiles: int = 0
    peak_memory: int | None = None
    _began: float = field(default_factory=time.perf_counter, repr=False)

    @contextlib.contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Counts what is done inside as part of a stage, unless it is counted as another one's within."""
        before, others = time.perf_counter(), sum(self.seconds.values())
        try:
            yield
        finally:
            now = time.perf_counter()
            self.seconds[name] += now - before - (sum(self.seconds.values()) - others)
            self.total_seconds = now - self._began
            # Asking takes a while beside a small tile; after the last tile comes another stage.
            if name not in _OF_EVERY_TILE:
                self.peak_memory = peak_memory()

    def describe(self, plan: TilePlan, session: Session) -> None:
        """Notes what the picture runs on."""
        scale = session.spec.scale
        self.input_size = (plan.width, plan.height)
        self.output_size = (plan.width * scale, plan.height * scale)
        self.network = f"{session.spec.name} x{scale} on {session.runtime}, {session.precision}"
        self.tile_size = (plan.tile_width, plan.tile_height)
        self.redundancy = plan.redundancy

    def facts(self) -> dict[str, Any]:
        """All of it as plain JSON values, rounded to what can be told."""
        return {
            "network": self.network,
            "input": list(self.input_size),
            "output": list(self.output_size),
            "tiles": self.tiles,
            "tileSize": list(self.tile_size),
            "redundancy": round(self.redundancy, 4),
            "repeatedTiles": self.repeated_tiles,
            "seconds": {stage: round(seconds, 6) for stage, seconds in self.seconds.items()},
            "totalSeconds": round(self.total_seconds, 6),
            "peakMemory": self.peak_memory,
        }

    @property
    def compute_seconds(self) -> float:
        """During which the picture had the network to itself."""
        return self.seconds["gather"] + self.seconds["network"] + self.seconds["blend"]


def peak_memory() -> int | None:
    """Most bytes of memory that this process ever had resident; None where the platform does not tell."""
    # Where Linux shows it: getrusage() may tell the peak of the process that started this one.
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
