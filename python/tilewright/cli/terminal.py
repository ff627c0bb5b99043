"""Output of the command line: results go to stdout, messages and progress to stderr."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

# Width of tables where stdout is not a terminal: readers of a pipe want whole lines.
_UNBOUNDED = 1000


def printable(text: str) -> str:
    """Replaces unprintable characters, such as line breaks and escape sequences in file names."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def error_console() -> Console:
    """Returns a console on stderr that does not wrap lines: each message is one line."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def output_console() -> Console:
    """Returns a console on stdout, for tables."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _UNBOUNDED)


def print_table(table: Table) -> None:
    """Prints a table on stdout, without blanks at the ends of lines if it is not a terminal."""
    console = output_console()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def print_line(console: Console, text: str) -> None:
    """Prints one line, above the progress bar if there is one."""
    console.print(printable(text))


def print_error(console: Console, text: str) -> None:
    """Prints one line that reports an error."""
    print_line(console, f"tilewright: {text}")


def can_draw(console: Console) -> bool:
    """Returns whether stderr is a terminal that can redraw a line, whatever its colour support."""
    return sys.stderr.isatty() and console.is_interactive


@contextlib.contextmanager
def log_records(console: Console, level: int) -> Iterator[None]:
    """Prints the library's log records inside the block.

    Args:
        console: Console to print on.
        level: Lowest level of the records to print, as in the logging module.
    """
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
    """Prints through the console, so that records do not break the progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("tilewright: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():  # a record of an exception includes a traceback
            print_line(self._console, line)
