"""The command line. A command's module is imported when it runs, so that ``--help`` is fast."""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from typing import TYPE_CHECKING

from tilewright.cli.completion import answer_shell
from tilewright.cli.parser import parser
from tilewright.cli.signals import StopSignals, stop_status
from tilewright.cli.streams import with_checked_streams
from tilewright.cli.terminal import error_console, log_records, print_error
from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

_OK, _UNUSABLE = 0, 2


@with_checked_streams
def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit status: 0 on success; 1 if something failed; 2 if the command line is invalid or
        impossible, with nothing written; 130 if stopped with Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    program = parser()
    answer_shell(program)
    try:
        arguments = program.parse_args(argv)
    except SystemExit as stop:  # raised for --help, --version and invalid arguments
        return _OK if stop.code is None else int(stop.code)
    console = error_console()
    try:
        with (
            _without_warnings_about_files(),
            log_records(console, _log_level(arguments)),
            StopSignals(console) if arguments.command != "serve" else contextlib.nullcontext() as signals,
        ):
            command = importlib.import_module(f"tilewright.cli.{arguments.command}")
            return int(command.run(arguments, console, signals))
    except TilewrightError as error:
        print_error(console, error.message)
        return _UNUSABLE
    except KeyboardInterrupt as stop:
        print_error(console, "stopped; finished files are kept, and none is incomplete")
        return stop_status(stop)


@contextlib.contextmanager
def _without_warnings_about_files() -> Iterator[None]:
    """Hides Pillow's warnings, which are meant for programmers: two lines for each damaged Exif tag."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _log_level(arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        return logging.INFO
    return logging.ERROR if arguments.quiet else logging.WARNING
