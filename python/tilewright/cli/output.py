"""Reads the inputs and writes the results of `tilewright upscale`: files, devices, FIFOs, stdin and stdout."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sys
import tempfile
import time
from typing import TYPE_CHECKING, BinaryIO, cast

from tilewright.cli.claims import claimed
from tilewright.cli.existing import record_network
from tilewright.cli.files import existing_problem, is_existing
from tilewright.cli.search import resolved
from tilewright.cli.targets import is_stream
from tilewright.errors import SourceError, StoreError
from tilewright.inputs.resolve import read_file
from tilewright.store.atomic import LEFTOVER_SECONDS, atomic_write, remove_partial_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tilewright.cli.job import FileJob
    from tilewright.limits import InputLimits

# A result for stdout, a device or a FIFO is held in memory up to this size, and beyond it in a
# temporary file.
_IN_MEMORY = 2**26

_FULL = (errno.ENOSPC, errno.EDQUOT)


class ResultExistsError(StoreError):
    """Another process has made the result."""


class BusyError(StoreError):
    """Another process is making the result."""


class DiskFullError(StoreError):
    """No space is left for the result, or the user's quota is used up."""


@contextlib.contextmanager
def open_output(job: FileJob, *, overwrite: bool, made_with: str) -> Iterator[BinaryIO]:
    """Opens the output of a job for writing. It gets its data when the block ends without an error.

    A file appears complete or not at all. A link stays, and the file that it leads to is replaced.
    Devices, FIFOs and stdout get the complete result at once.

    Args:
        job: The job.
        overwrite: Whether an existing file is replaced.
        made_with: What the result is made with, see `network_description`.

    Yields:
        The file, opened for binary writing.

    Raises:
        ResultExistsError: The file exists by now and `overwrite` is false.
        BusyError: Another process is writing it.
        DiskFullError: No space is left.
        StoreError: The output cannot be written for another reason.
    """
    try:
        if job.target is not None and not is_stream(job.target):
            target = resolved(job.target)
            with claimed(target) as is_mine:
                if not is_mine:
                    raise BusyError(f"another process is writing {job.target_name}")
                check_absent(job, overwrite=overwrite)
                with atomic_write(target) as file:
                    yield file
                    check_absent(job, overwrite=overwrite)
                    record_network(file, made_with)
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as buffer:
            yield cast("BinaryIO", buffer)
            buffer.seek(0)
            _copy(cast("BinaryIO", buffer), job.target)
    except OSError as error:
        kind = DiskFullError if error.errno in _FULL else StoreError
        raise kind(f"{job.target_name} cannot be written: {error.strerror or error}") from error


def read_input(job: FileJob, limits: InputLimits) -> bytes:
    """Reads a picture's file, or stdin.

    Raises:
        SourceError: It cannot be read. The message names it.
        ImageTooLargeError: It has too many bytes.
    """
    if job.source is not None:
        return read_file(job.source, limits)
    try:
        return limits.read(sys.stdin.buffer)
    except (OSError, AttributeError) as error:  # AttributeError: stdin was closed when Python started
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise SourceError(f"stdin cannot be read: {reason}") from error


def remove_leftovers(jobs: Iterable[FileJob]) -> None:
    """Removes partial files that crashed commands left in the output folders."""
    for folder in {resolved(job.target).parent for job in jobs if job.target is not None}:
        with contextlib.suppress(OSError):  # reported when the result is written
            remove_partial_files(folder, older_than=time.time() - LEFTOVER_SECONDS)


def check_absent(job: FileJob, *, overwrite: bool) -> None:
    """Checks that no result exists, which another program may have written since the work was planned.

    Raises:
        ResultExistsError: The file exists and `overwrite` is false.
    """
    if not overwrite and is_existing(job.target):
        raise ResultExistsError(existing_problem(job.target_name))


def _copy(source: BinaryIO, target: Path | None) -> None:
    if target is not None:
        with target.open("wb") as file:
            shutil.copyfileobj(source, file)
        return
    sys.stdout.flush()
    shutil.copyfileobj(source, sys.stdout.buffer)
    sys.stdout.buffer.flush()
