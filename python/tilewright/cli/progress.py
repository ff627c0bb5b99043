"""The progress bar of `tilewright upscale`: file, tiles, rate, time left."""

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

# Redrawing costs the network's cores something, and a tile is rarely done in less.
_REDRAWS_PER_SECOND = 4


class ProgressBar:
    """One line on a terminal, redrawn in place and gone at the end; nothing where stderr is no terminal."""

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
            # Widths of their own, so that the bar does not change its length all the time.
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

    def wait(self, what: str) -> None:
        """Shows that something of unknown length is going on."""
        self._show(what)

    def start_file(self, name: str) -> None:
        """Shows the next file; its tiles are not known yet."""
        self._started += 1
        place = f"{self._started}/{self._files} " if self._files > 1 else ""
        self._show(f"{place}{name}")

    def tiles(self, output_pixels: int) -> OnProgress:
        """What to call as tiles of the file are done, whose result has `output_pixels`; its clock starts now."""
        task, began = self._task, self._bar.get_time()
        assert task is not None

        def hear(progress: Progress) -> None:
            self._bar.update(task, completed=progress.done, total=progress.total)
            if progress.done == 0:  # no rate to tell yet
                return
            now = self._bar.get_time()
            share = progress.done / progress.total
            took = max(now - began, 1e-6)
            self._bar.update(task, rate=share * output_pixels / took / 1e6, ends=now + took * (1 - share) / share)

        return hear

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
    """Megapixels of the result per second."""

    def render(self, task: Task) -> Text:
        rate = task.fields["rate"]
        if rate is None:
            return Text("")
        shown = f"{rate:.3g}" if rate < 100 else f"{rate:.0f}"  # g would turn to powers of ten
        return Text(f"{shown} MP/s out", style="progress.data.speed")


class _TimeLeftColumn(ProgressColumn):
    """Counts down between tiles too, which may take long."""

    def render(self, task: Task) -> Text:
        ends = task.fields["ends"]
        if ends is None:
            return Text("")
        return Text(f"{duration(max(0.0, ends - task.get_time()))} left", style="progress.remaining")


def duration(seconds: float) -> str:
    """``0:07``, ``12:05``, ``3:00:20``; begun seconds count."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
