"""Checks of the output names of `tilewright upscale`, before any work is done."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.cli.search import expand_home, is_url, resolved
from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright.cli.job import FileJob

STANDARD_STREAM = "-"
"""The name that stands for stdin as IN, and for stdout as OUT."""

_STDOUT_NAMES = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")

# Folders of the operating system. Nothing in them can be replaced by a file of the same name.
_SYSTEM_FOLDERS = ("/dev/fd/", "/dev/stderr", "/proc/")

# Collisions that are printed one by one.
_NAMED = 50


def checked_out(out: str | None, inputs: Sequence[str]) -> str | None:
    """Returns OUT with the home folder expanded, and ``-`` for stdout; None if it is not given.

    Raises:
        TilewrightError: OUT is empty, a URL, or in the home folder of an unknown user; stdin or
            stdout is a terminal or is to carry several pictures; or OUT is needed, because a
            picture does not lie in a folder.
    """
    if out is None:
        if unnamed := next((name for name in inputs if name == STANDARD_STREAM or is_stream(Path(name))), None):
            name = "stdin (-)" if unnamed == STANDARD_STREAM else unnamed
            raise TilewrightError(f"{name} has no name for its result; give -o a file name, or - for stdout")
        return None
    if not out:
        raise TilewrightError("-o is empty; give a file or a folder")
    if is_url(out):
        raise TilewrightError(f"{out} is a URL; results are written to files, so give a file or a folder")
    if out in _STDOUT_NAMES:
        out = STANDARD_STREAM
    expanded = expand_home(out)
    if expanded.startswith("~") and os.sep in expanded and not os.path.lexists(Path(expanded).parts[0]):
        raise TilewrightError(f"{out}: there is no home folder {Path(out).parts[0]}; write .{os.sep}{out} if it is one")
    if STANDARD_STREAM in inputs:
        if len(set(inputs)) > 1:
            raise TilewrightError("stdin (-) cannot be upscaled together with other pictures")
        if sys.stdin is not None and sys.stdin.isatty():
            raise TilewrightError("stdin (-) is a terminal; pipe a picture into it")
    if out == STANDARD_STREAM and sys.stdout.isatty():
        raise TilewrightError("stdout (-) is a terminal; pipe or redirect it, or give a file")
    return expanded


def is_stream(path: Path) -> bool:
    """Returns whether results are written into something that exists and cannot be replaced.

    That is a device, a FIFO, or an open file such as ``/dev/fd/3``.
    """
    if str(path).startswith(_SYSTEM_FOLDERS):
        return True
    status = status_of(path)
    return status is not None and (stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode))


def target_problem(target: Path) -> str | None:
    """Returns why a result cannot be written, as far as that can be known; None if nothing is found."""
    try:
        status = target.stat()
    except FileNotFoundError:
        if os.path.lexists(target):
            return f"{target} is a link to {target.readlink()}, which does not exist; remove the link"
        return _folder_problem(target)
    except OSError as error:
        return _cannot_be_written(target, error)
    if stat.S_ISDIR(status.st_mode):
        return f"{target} is a folder; remove it, or choose another name"
    if stat.S_ISBLK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return f"{target} is a {'disk' if stat.S_ISBLK(status.st_mode) else 'socket'}; choose another name"
    return None if is_stream(target) else _folder_problem(resolved(target))


def _folder_problem(target: Path) -> str | None:
    """Returns why a new file cannot be made in its folder, which may be missing."""
    folder, missing = target.parent, [target.name]
    while not os.path.lexists(folder) and folder != folder.parent:
        missing.append(folder.name)
        folder = folder.parent
    for name in missing:
        try:
            (folder / name).lstat()  # the system knows the longest name of each file system
        except FileNotFoundError:
            pass
        except OSError as error:
            return _cannot_be_written(target, error)
    if not os.access(folder, os.W_OK | os.X_OK):
        return _cannot_be_written(target, PermissionError(errno.EACCES, f"no permission to write in {folder}"))
    return None


def _cannot_be_written(target: Path, error: OSError) -> str:
    return f"{target} cannot be written: {error.strerror or error}"


def find_conflicts(jobs: Sequence[FileJob]) -> list[str]:
    """Returns a line for each result that would overwrite an input or another result."""
    sources = {identity: job.source for job in jobs if (identity := identity_of(job.source)) is not None}
    lines = []
    by_target: dict[str, list[FileJob]] = {}
    for job in jobs:
        if job.target is None or is_stream(job.target):
            continue
        identity = identity_of(job.target)
        if identity in sources:
            lines.append(f"{job.target} would replace the picture {sources[identity]}; choose another name or folder")
        by_target.setdefault(os.path.normcase(resolved(job.target)), []).append(job)
    lines = list(dict.fromkeys(lines))
    for group in by_target.values():
        replaces_one = identity_of(group[0].target) in {identity_of(job.source) for job in group} - {None}
        if len(group) > 1 and not replaces_one:  # that is already reported
            *names, last = [str(job.source) for job in group]
            become = "both become" if len(group) == 2 else "all become"
            lines.append(
                f"{', '.join(names)} and {last} would {become} {group[0].target}; "
                "rename them, or upscale them into different folders"
            )
    rest = len(lines) - _NAMED
    return lines[:_NAMED] + ([f"and {rest} more of this kind"] if rest > 0 else [])


def identity_of(path: Path | None) -> tuple[int, int] | None:
    """Returns device and inode, which all names of a file share; None if there is no such file."""
    status = None if path is None else status_of(path)
    return None if status is None else (status.st_dev, status.st_ino)


def status_of(path: Path) -> os.stat_result | None:
    """Returns the status of a file; None if it does not exist or cannot be accessed."""
    try:
        return path.stat()
    except OSError:
        return None
