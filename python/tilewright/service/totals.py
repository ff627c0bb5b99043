"""Sums over the upscaled pictures of a process, for monitoring."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tilewright.engine.report import STAGES, Stage
from tilewright.forks import reset_in_children

if TYPE_CHECKING:
    from tilewright.engine.enlargement import Enlargement
    from tilewright.engine.report import Report


class Totals:
    """Sums over the tasks that were upscaled. It is thread-safe.

    Attributes:
        pictures: Their number.
        input_pixels: Pixels of their pictures, those of all frames of an animation.
        output_pixels: Pixels of their results.
        seconds: Seconds by stage, see `Report`.
    """

    def __init__(self) -> None:
        """Starts at zero."""
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. A child counts its own pictures."""
        self._lock = threading.Lock()
        self.pictures = self.input_pixels = self.output_pixels = 0
        self.seconds: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)

    def add(self, report: Report, input_pixels: int, enlargement: Enlargement, frames: int) -> None:
        """Adds an upscaled picture.

        Args:
            report: Its report.
            input_pixels: Pixels of each frame.
            enlargement: How it was enlarged.
            frames: Its frames; 1 for a still picture.
        """
        with self._lock:
            self.pictures += 1
            self.input_pixels += input_pixels * frames
            self.output_pixels += enlargement.width * enlargement.height * frames
            for stage, seconds in report.seconds.items():
                self.seconds[stage] += seconds
