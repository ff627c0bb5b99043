"""Report of a picture: seconds by stage, tiles, memory."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from tilewright.engine.memory import peak_memory
from tilewright.engine.sessions.base import runtime_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright._core import TilePlan
    from tilewright.engine.sessions.base import Session

Stage = Literal["decode", "open", "queue", "gather", "network", "blend", "encode", "store"]
STAGES: tuple[Stage, ...] = get_args(Stage)
_TILE_STAGES = ("gather", "network", "blend")


@dataclass(slots=True)
class Report:
    """Where the time of one picture went, and how it was run.

    The stages are those of the thread that runs the picture, so they add up to `total_seconds`.
    ``network`` is the time that thread waits for the network with nothing else to do. ``encode`` is
    the time it takes to hand rows to the encoder, which works on threads of its own.

    Attributes:
        seconds: Seconds by stage: ``decode`` (resolving and decoding the input), ``open`` (opening
            the network, the first time), ``queue`` (waiting for other pictures), ``gather``,
            ``network``, ``blend``, ``encode``, ``store``.
        total_seconds: Seconds from the start of the first stage to the end of the last.
        input_size: ``(width, height)`` of the picture in pixels.
        output_size: ``(width, height)`` of the result in pixels.
        network: Name, runtime and precision of the network.
        tile_size: ``(width, height)`` of tiles in input pixels.
        tiles: Number of tiles, including those of an alpha channel.
        redundancy: Computed pixels / needed pixels, by the plan.
        repeated_tiles: Tiles that were run again in float32 because their result was not finite.
        left_out: What the picture's file contains and the result does not, such as
            ``"the gain map"``; XMP that is not kept is not listed.
        peak_memory: Peak resident memory of the process in bytes, up to the end of the last stage;
            None where the platform does not report it.
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
    left_out: tuple[str, ...] = ()
    peak_memory: int | None = None
    _began: float = field(default_factory=time.perf_counter, repr=False)

    @contextlib.contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Attributes elapsed time to a stage, excluding nested stages."""
        before, others = time.perf_counter(), sum(self.seconds.values())
        try:
            yield
        finally:
            now = time.perf_counter()
            self.seconds[name] += now - before - (sum(self.seconds.values()) - others)
            self.total_seconds = now - self._began
            # Reading the memory is slow compared with a small tile, and another stage follows the
            # last tile.
            if name not in _TILE_STAGES:
                self.peak_memory = peak_memory()

    def describe(self, plan: TilePlan, session: Session) -> None:
        """Records the plan and the session of the picture."""
        scale = session.spec.scale
        self.input_size = (plan.width, plan.height)
        self.output_size = (plan.width * scale, plan.height * scale)
        self.network = f"{session.spec.name} x{scale} on {runtime_label(session)}"
        self.tile_size = (plan.tile_width, plan.tile_height)
        self.redundancy = plan.redundancy

    def facts(self) -> dict[str, Any]:
        """Returns the report as plain JSON values, rounded to meaningful digits."""
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
            "leftOut": list(self.left_out),
            "peakMemory": self.peak_memory,
        }

    @property
    def compute_seconds(self) -> float:
        """Seconds in which the picture had the network to itself."""
        return self.seconds["gather"] + self.seconds["network"] + self.seconds["blend"]
