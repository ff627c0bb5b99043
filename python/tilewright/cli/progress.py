"""The progress display of `tilewright upscale`: one line for the file, and one for all files."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from tilewright.cli.durations import clock
from tilewright.cli.terminal import can_draw, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Task, TaskID
    from rich.progress_bar import ProgressBar as BarShape

    from tilewright.engine.progress import OnProgress, Progress

# Redrawing takes CPU time from the network, and tiles rarely finish more often than this.
_REDRAWS_PER_SECOND = 4

# Between two tiles, the bar moves by the clock up to this share of the tile.
_MOST_OF_A_TILE = 0.95


@dataclass(frozen=True, slots=True)
class _Pace:
    """How far the work is, and how fast it goes.

    Attributes:
        done: Share that was finished at `since`, 0 to 1.
        since: Time of the last tile.
        step: Share that the next tile adds.
        seconds: Estimated seconds for the whole; None if unknown.
    """

    done: float
    since: float
    step: float = 0.0
    seconds: float | None = None

    def share(self, now: float) -> float:
        """Returns the share that should be finished now."""
        if not self.seconds:
            return self.done
        return self.done + min((now - self.since) / self.seconds, _MOST_OF_A_TILE * self.step)

    def left(self, now: float) -> float | None:
        """Returns the seconds that are left; None if they are unknown."""
        if self.seconds is None:
            return None
        return max(0.0, self.since + (1 - self.done) * self.seconds - now)


class ProgressBar:
    """Lines that are redrawn in place and removed at the end, only if stderr is a terminal."""

    def __init__(self, console: Console, *, files: int, quiet: bool) -> None:
        self._files = files
        self._started = 0
        self._ends = _cumulative([1.0] * files)
        self._expected: float | None = None
        self._task: TaskID | None = None
        self._batch: TaskID | None = None
        self._batch_began = 0.0
        self._bar = Bar(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, max_width=console.width // 4, overflow="ellipsis"),
            ),
            _MovingBar(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[count]}", table_column=_right("10/48 tiles")),
            _RateColumn(table_column=_right("0.123 MP/s out")),
            _ClockColumn(table_column=_right("1:23")),
            _TimeLeftColumn(table_column=_right("1:23 left")),
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

    def expect(self, weights: Sequence[float], seconds: float | None) -> None:
        """Tells what to expect of the files.

        Args:
            weights: Work of each file, in any unit.
            seconds: Estimated seconds for all of them; None if unknown.
        """
        self._ends, self._expected = _cumulative(weights), seconds

    def wait(self, text: str) -> None:
        """Shows a step of unknown duration, such as opening the network."""
        self._show(text)

    def start_file(self, name: str) -> None:
        """Shows the next file, whose number of tiles is not known yet."""
        if self._batch is None:
            self._batch_began = self._bar.get_time()
        self._started += 1
        self._show(name)
        if self._files > 1:
            self._update_batch(0.0, 0.0, measured=False)

    def tiles(self, output_pixels: int, frames: int = 1) -> OnProgress:
        """Starts the clock of the current file.

        Args:
            output_pixels: Width times height of the file's result.
            frames: Frames of the file, which go through the network one after the other.

        Returns:
            A callback to call before the first tile and after each tile, of each frame.
        """
        task, started = self._task, self._bar.get_time()
        assert task is not None
        expected = None if self._expected is None else self._expected * self._share(self._started - 1) or None
        frame = 0

        def update(progress: Progress) -> None:
            nonlocal frame
            frame += progress.done == 0
            now = self._bar.get_time()
            step = 1 / (progress.total * frames)
            done = (frame - 1) / frames + progress.done * step
            elapsed = max(now - started, 1e-6)
            pace = _Pace(done, now, step, elapsed / done if done else expected)
            count = f"{progress.done}/{progress.total} tiles" if frames == 1 else f"{frame}/{frames} frames"
            rate = done * frames * output_pixels / elapsed / 1e6 if done else None
            self._bar.update(task, pace=pace, count=count, rate=rate)
            if self._batch is not None:
                self._update_batch(done, step, measured=done > 0)

        return update

    def _update_batch(self, done: float, step: float, *, measured: bool) -> None:
        """Shows how far all files are.

        Args:
            done: Finished share of the current file.
            step: Share of the current file that its next tile adds.
            measured: Whether a tile of this file is finished.
        """
        now = self._bar.get_time()
        file, before = self._share(self._started - 1), self._ends[min(self._started - 1, self._files)]
        share = before + file * done
        seconds = self._expected
        if share > 0 and (measured or seconds is None or before > 0):
            seconds = (now - self._batch_began) / share
        pace = _Pace(share, now, file * step, seconds)
        count = f"{min(self._started - 1, self._files)}/{self._files} files"
        if self._batch is None:
            self._batch = self._bar.add_task("all files", pace=pace, count=count, rate=None)
        self._bar.update(self._batch, pace=pace, count=count)

    def _share(self, index: int) -> float:
        """Returns the share of a file in the work of all files."""
        # A file that another process was busy with is started again after the others.
        return self._ends[index + 1] - self._ends[index] if index < self._files else 0.0

    def _show(self, text: str) -> None:
        pace = _Pace(0.0, self._bar.get_time())
        if self._task is None:
            self._task = self._bar.add_task(printable(text), total=None, pace=pace, count="", rate=None)
        else:
            self._bar.reset(self._task, total=None, description=printable(text), pace=pace, count="", rate=None)


def _cumulative(weights: Sequence[float]) -> list[float]:
    """Returns the share of the work that lies before each file, and 1 as the last value.

    It is computed once: a sum at every tile would take longer than the tile if there are thousands of files.
    """
    total = sum(weights)
    return [end / total for end in itertools.accumulate(weights, initial=0.0)]


def _right(typical: str) -> Column:
    """Returns a column at least as wide as a typical text, so that the bar keeps its length."""
    return Column(no_wrap=True, justify="right", min_width=len(typical))


class _MovingBar(BarColumn):
    """A bar that moves by the clock between two tiles."""

    def render(self, task: Task) -> BarShape:
        pace: _Pace = task.fields["pace"]
        shape = super().render(task)
        if task.fields["count"]:
            shape.total, shape.completed, shape.pulse = 1.0, pace.share(task.get_time()), False
        return shape


class _RateColumn(ProgressColumn):
    """The rate in megapixels of the result per second."""

    def render(self, task: Task) -> Text:
        rate = task.fields["rate"]
        if rate is None:
            return Text("")
        digits = f"{rate:.3g}" if rate < 100 else f"{rate:.0f}"  # the format g would use an exponent
        return Text(f"{digits} MP/s out", style="progress.data.speed")


class _ClockColumn(ProgressColumn):
    """The time since the start of the line."""

    def render(self, task: Task) -> Text:
        return Text(clock(task.elapsed or 0.0), style="progress.elapsed")


class _TimeLeftColumn(ProgressColumn):
    """The remaining time, which also counts down between tiles."""

    def render(self, task: Task) -> Text:
        left = task.fields["pace"].left(task.get_time())
        return Text("" if left is None else f"{clock(left)} left", style="progress.remaining")
