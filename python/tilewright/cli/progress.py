"""The progress bar of `tilewright upscale`, with file, tiles, rate and remaining time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from tilewright.cli.terminal import can_draw, printable

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Task, TaskID

    from tilewright.engine.progress import OnProgress, Progress

# Redrawing takes CPU time from the network, and tiles rarely finish more often than this.
_REDRAWS_PER_SECOND = 4


class ProgressBar:
    """A line that is redrawn in place and removed at the end, only if stderr is a terminal."""

    def __init__(self, console: Console, *, files: int, quiet: bool) -> None:
        self._files = files
        self._started = 0
        self._task: TaskID | None = None
        self._bar = Bar(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, max_width=console.width // 3, overflow="ellipsis"),
            ),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            # Fixed minimum widths, so that the bar keeps its length.
            _TilesColumn(table_column=Column(no_wrap=True, justify="right", min_width=len("10/48 tiles"))),
            _RateColumn(table_column=Column(no_wrap=True, justify="right", min_width=len("0.123 MP/s out"))),
            _TimeLeftColumn(table_column=Column(no_wrap=True, justify="right", min_width=len("1:23 left"))),
            console=console,
            refresh_per_second=_REDRAWS_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            expand=True,
            disable=quiet or not can_draw(console),
        )

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def wait(self, text: str) -> None:
        """Shows a step of unknown duration, such as opening the network."""
        self._show(text)

    def start_file(self, name: str) -> None:
        """Shows the next file, whose number of tiles is not known yet."""
        self._started += 1
        place = f"{self._started}/{self._files} " if self._files > 1 else ""
        self._show(f"{place}{name}")

    def tiles(self, output_pixels: int) -> OnProgress:
        """Starts the clock of the current file.

        Args:
            output_pixels: Width times height of the file's result.

        Returns:
            A callback to call after each tile.
        """
        task, started = self._task, self._bar.get_time()
        assert task is not None

        def update(progress: Progress) -> None:
            self._bar.update(task, completed=progress.done, total=progress.total)
            if progress.done == 0:  # the rate is not known yet
                return
            now = self._bar.get_time()
            share = progress.done / progress.total
            elapsed = max(now - started, 1e-6)
            self._bar.update(task, rate=share * output_pixels / elapsed / 1e6, ends=now + elapsed * (1 - share) / share)

        return update

    def _show(self, text: str) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(printable(text), total=None, rate=None, ends=None)


class _TilesColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        return Text(f"{task.completed:.0f}/{task.total:.0f} tiles", style="progress.percentage")


class _RateColumn(ProgressColumn):
    """The rate in megapixels of the result per second."""

    def render(self, task: Task) -> Text:
        rate = task.fields["rate"]
        if rate is None:
            return Text("")
        digits = f"{rate:.3g}" if rate < 100 else f"{rate:.0f}"  # the format g would use an exponent
        return Text(f"{digits} MP/s out", style="progress.data.speed")


class _TimeLeftColumn(ProgressColumn):
    """The remaining time, which also counts down between tiles."""

    def render(self, task: Task) -> Text:
        ends = task.fields["ends"]
        if ends is None:
            return Text("")
        return Text(f"{duration(max(0.0, ends - task.get_time()))} left", style="progress.remaining")


def duration(seconds: float) -> str:
    """Formats a duration, rounded up to seconds: ``0:07``, ``12:05`` or ``3:00:20``."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
