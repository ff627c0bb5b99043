"""One picture of a command: where it comes from and where its result goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tilewright.literals import FileFormat


@dataclass(frozen=True, slots=True)
class FileJob:
    """One picture to upscale.

    Attributes:
        source: Input file; None for stdin.
        target: Output file; None for stdout.
        file_format: Format of the output; None for the picture's own, where that is known only when
            the picture is read.
        skip_existing: Whether an existing result is a reason to skip the picture, not a failure.
    """

    source: Path | None
    target: Path | None
    file_format: FileFormat | None
    skip_existing: bool

    @property
    def source_name(self) -> str:
        """The input's name in messages."""
        return "stdin" if self.source is None else str(self.source)

    @property
    def label(self) -> str:
        """The input's name without its folder, for the progress bar."""
        return "stdin" if self.source is None else self.source.name

    @property
    def target_name(self) -> str:
        """The output's name in messages."""
        return "stdout" if self.target is None else str(self.target)
