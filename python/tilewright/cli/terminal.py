"""The two ways out of the command line: answers on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console


def printable(text: str) -> str:
    """A text on one line that a terminal shows and does not obey: file names may hold line breaks and escapes."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def error_console() -> Console:
    """A console on stderr. Lines are not broken there: one message is one line, in a file too."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


# Tables are as wide as they need to be where no terminal sets a width: a pipe's reader wants whole lines.
_UNBOUNDED = 1000


def output_console() -> Console:
    """A console on stdout, for tables."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _UNBOUNDED)


def say(console: Console, text: str) -> None:
    """One line, above a progress bar if there is one."""
    console.print(printable(text))


def complain(console: Console, text: str) -> None:
    """One line that says what went wrong."""
    say(console, f"tilewright: {text}")


def can_draw(console: Console) -> bool:
    """Whether stderr is a terminal that can redraw a line, whatever the environment makes of its colours."""
    return sys.stderr.isatty() and console.is_interactive


@contextlib.contextmanager
def log_records(console: Console, level: int) -> Iterator[None]:
    """The library's log records of this level and above, on the console."""
    logger = logging.getLogger("tilewright")
    handler = _ConsoleHandler(console)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


class _ConsoleHandler(logging.Handler):
    """Goes through the console, so that a record does not land in the middle of a progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("tilewright: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():  # a record with an exception has a traceback
            say(self._console, line)
