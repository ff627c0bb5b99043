"""The part of a batch that other processes do, which work on the same folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.cli.output import BusyError, ResultExistsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tilewright.cli.job import FileJob


class Elsewhere:
    """Counts pictures that other processes upscale, and postpones those that they are busy with."""

    def __init__(self) -> None:
        self._postponed: list[FileJob] = []
        self._is_last_attempt = False
        self._made, self._busy = 0, 0

    def with_postponed(self, jobs: Iterable[FileJob]) -> Iterator[FileJob]:
        """Yields the jobs, and then once more those that were postponed meanwhile."""
        yield from jobs
        self._is_last_attempt = True
        yield from self._postponed

    def takes(self, job: FileJob, error: Exception) -> bool:
        """Returns whether another process is the reason that a job has not succeeded.

        It is then counted or postponed, and is no failure.
        """
        if not job.skip_existing:
            return False
        if isinstance(error, ResultExistsError):
            self._made += 1
        elif not isinstance(error, BusyError):
            return False
        elif self._is_last_attempt:
            self._busy += 1
        else:
            self._postponed.append(job)
        return True

    def lines(self) -> list[str]:
        """Returns lines on what was not done here."""
        lines = []
        if self._made:
            lines.append(f"{self._made} skipped because another process has made their results meanwhile")
        if self._busy:
            lines.append(f"{self._busy} left to another process that is working on them")
        return lines
