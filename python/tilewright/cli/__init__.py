"""The command line. A command's module is imported when it runs, so that ``--help`` is fast."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING

from tilewright.cli.parser import parser
from tilewright.cli.signals import StopSignals, stop_status
from tilewright.cli.terminal import error_console, log_records, print_error
from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_OK, _FAILED, _UNUSABLE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit status: 0 on success; 1 if something failed; 2 if the command line is invalid or
        impossible, with nothing written; 130 if stopped with Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as stop:  # raised for --help, --version and invalid arguments
        return _OK if stop.code is None else int(stop.code)
    console = error_console()
    try:
        with log_records(console, _log_level(arguments)), StopSignals(console) as signals:
            command = importlib.import_module(f"tilewright.cli.{arguments.command}")
            status = int(command.run(arguments, console, signals))
            sys.stdout.flush()  # here, where a closed pipe can still be handled
            return status
    except TilewrightError as error:
        print_error(console, error.message)
        return _UNUSABLE
    except KeyboardInterrupt as stop:
        with contextlib.suppress(OSError):  # after SIGHUP the terminal is gone
            print_error(console, "stopped; finished files are kept, and none is incomplete")
        return stop_status(stop)
    except BrokenPipeError:
        # The reader of stdout has closed it. Without this, Python would fail again when it flushes
        # stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def _log_level(arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        return logging.INFO
    return logging.ERROR if arguments.quiet else logging.WARNING
