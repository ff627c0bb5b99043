"""The command line: one module per command, each imported when its command runs, so that ``--help`` answers at once."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING

from tilewright.cli.parser import parser
from tilewright.cli.terminal import complain, error_console, log_records
from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_OK, _FAILED, _UNUSABLE, _INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after the program's name; by default those of the process.

    Returns:
        The exit status: 0 all done; 1 something failed; 2 the command line is not understood or cannot be carried
        out, and nothing was done; 130 stopped with Ctrl-C.
    """
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as stop:  # --help, --version, or words that are not understood
        return _OK if stop.code is None else int(stop.code)
    console = error_console()
    try:
        with log_records(console, _log_level(arguments)):
            command = importlib.import_module(f"tilewright.cli.{arguments.command}")
            status = int(command.run(arguments, console))
            sys.stdout.flush()  # here, where a closed pipe can still be answered
            return status
    except TilewrightError as error:
        complain(console, error.message)
        return _UNUSABLE
    except KeyboardInterrupt:
        complain(console, "stopped; finished files are kept, none is half-written")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has seen enough; Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def _log_level(arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        return logging.INFO
    return logging.ERROR if arguments.quiet else logging.WARNING
