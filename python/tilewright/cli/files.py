"""From what the command line names to jobs: which file becomes which, settled before any work."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.codecs.decode import sniff
from tilewright.codecs.encode import extension
from tilewright.errors import TilewrightError
from tilewright.inputs.url import is_remote_url
from tilewright.literals import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a folder is searched for. Files named one by one may be called anything: their content decides.
_PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})

_FORMAT_OF_SUFFIX: dict[str, Format] = {".png": "PNG", ".jpg": "JPG", ".jpeg": "JPG", ".webp": "WEBP"}

# Enough of a file for `sniff`.
_HEAD = 16


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to upscale.

    Attributes:
        source: the picture's file.
        target: the file to write.
        file_format: of the target.
    """

    source: Path
    target: Path
    file_format: Format


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        jobs: in the order of the command line, folders and patterns sorted; every target is another file.
        problems: an input and what is wrong with it, for every input that gives no job.
        done: pictures whose results are in the folder already: nothing to do, as after a run that was stopped.
    """

    jobs: list[Job]
    problems: list[tuple[str, str]]
    done: list[Path]


def plan_jobs(inputs: Sequence[str], out: str, *, file_format: Format | None, recursive: bool, overwrite: bool) -> Plan:
    """Finds the pictures and names their results.

    Args:
        inputs: files, folders, and patterns that the shell left alone; what exists under its name is no pattern.
        out: a folder when it exists as one, ends with a separator, or `inputs` can be several pictures; else a file.
        file_format: of all results; None for the one that `out` names, or in a folder the picture's own, where it can
            be written, else PNG.
        recursive: whether folders are searched to their full depth; the results lie in subfolders of the same names.
        overwrite: whether a result may replace a file that is no picture of `inputs`; else its picture is a problem.

    Raises:
        TilewrightError: no format to write, a folder is needed where a file is named, two results of one name, or a
            result that would replace one of the pictures.
    """
    if not out:
        raise TilewrightError("-o names nothing; give a file or a folder")
    folder = _is_folder(out, inputs)
    search = _Search(recursive=recursive, leave_out=Path(out) if folder else None)
    for name in inputs:
        search.add(name)
    problems = search.problems
    jobs = []
    for source, place in search.pictures.values():
        if folder:
            chosen = file_format or _own_format(source)
            jobs.append(Job(source, Path(out) / place / f"{source.stem}.{extension(chosen)}", chosen))
        else:
            jobs.append(Job(source, Path(out), _file_format(out, file_format)))
    _check_targets(jobs)
    to_do, done = [], []
    for job in jobs:
        if overwrite or not os.path.lexists(job.target):
            to_do.append(job)
        elif folder:
            done.append(job.source)
        else:
            problems.append((str(job.source), existing_problem(job.target)))
    return Plan(to_do, problems, done)


def _file_format(out: str, asked: Format | None) -> Format:
    """The format of a single result; its name and what was asked for must not speak of different ones."""
    named = _FORMAT_OF_SUFFIX.get(Path(out).suffix.lower())
    if asked is not None and named is not None and asked != named:
        raise TilewrightError(f"{out} is the name of a {named} file, and --format asks for {asked}; change one of them")
    return asked or _named_format(out)


def existing_problem(target: Path) -> str:
    """What is wrong with a target that exists."""
    return f"{target} exists already; --overwrite replaces it"


def _is_folder(out: str, inputs: Sequence[str]) -> bool:
    status = _status(Path(out))
    if status is not None and stat.S_ISDIR(status.st_mode):
        return True
    ends_so = out.endswith((os.sep, os.altsep or os.sep))
    several = len(inputs) > 1 or (_is_pattern(inputs[0]) and "://" not in inputs[0]) or _is_directory(Path(inputs[0]))
    if not ends_so and not several:
        return False
    if status is not None or (not ends_so and Path(out).suffix.lower() in _FORMAT_OF_SUFFIX):
        raise TilewrightError(f"{out} is a file's name; several pictures need a folder, such as -o large{os.sep}")
    return True


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not os.path.lexists(name)


class _Search:
    """Collects pictures, each once, with the subfolder that its result belongs in."""

    def __init__(self, *, recursive: bool, leave_out: Path | None) -> None:
        self.pictures: dict[Path, tuple[Path, Path]] = {}
        self.problems: list[tuple[str, str]] = []
        self._recursive = recursive
        # A folder for results may lie inside a folder of pictures; they are not the next run's pictures.
        self._leave_out = leave_out and leave_out.resolve()

    def add(self, name: str) -> None:
        """Takes a file, a folder or a pattern."""
        if is_remote_url(name):
            self.problems.append((name, "a web address; download the picture first, and give the file"))
            return
        # Path.glob takes no absolute patterns.
        matches = sorted(glob.glob(name, recursive=True)) if _is_pattern(name) else [name]  # noqa: PTH207
        if not matches:
            self.problems.append((name, "nothing matches this pattern"))
        for path in map(Path, matches):
            try:
                status = path.stat()
            except OSError as error:
                self.problems.append((str(path), error.strerror or str(error)))
                continue
            if stat.S_ISDIR(status.st_mode):
                self._add_folder(path)
            else:
                self._add_picture(path, Path())

    def _add_folder(self, top: Path) -> None:
        found = []
        problems = len(self.problems)
        for parent, folders, files in os.walk(top, onerror=self._add_unreadable):
            folders[:] = [name for name in folders if self._recursive and self._wanted(Path(parent) / name)]
            found += [
                Path(parent) / name
                for name in files
                if Path(name).suffix.lower() in _PICTURE_SUFFIXES and not name.startswith(".")
            ]
        for path in sorted(found):
            self._add_picture(path, path.parent.relative_to(top))
        if not found and len(self.problems) == problems:
            kinds = ", ".join(sorted(_PICTURE_SUFFIXES))
            deeper = "" if self._recursive else "; -r searches its subfolders too"
            self.problems.append((str(top), f"no pictures ({kinds}) in this folder{deeper}"))

    def _add_picture(self, path: Path, place: Path) -> None:
        self.pictures.setdefault(path.absolute(), (path, place))

    def _add_unreadable(self, error: OSError) -> None:
        self.problems.append((str(error.filename), error.strerror or str(error)))

    def _wanted(self, folder: Path) -> bool:
        return not folder.name.startswith(".") and folder.resolve() != self._leave_out


def _own_format(source: Path) -> Format:
    """The format of the picture's content where it can be written, else PNG."""
    kind = None
    if source.is_file():  # reading from a pipe would take the beginning away
        with contextlib.suppress(OSError), source.open("rb") as file:  # reported when the picture's turn comes
            kind = sniff(file.read(_HEAD))
    return next((name for name in FORMATS if name == kind), "PNG")


def _named_format(out: str) -> Format:
    suffix = Path(out).suffix
    if suffix.lower() not in _FORMAT_OF_SUFFIX:
        problem = f"the ending {suffix} is of no format that can be written" if suffix else "no format is named"
        raise TilewrightError(
            f"{out}: {problem}; end it in .png, .jpg or .webp, choose one with --format, "
            f"or end it in {os.sep} for a folder"
        )
    return _FORMAT_OF_SUFFIX[suffix.lower()]


def _check_targets(jobs: Sequence[Job]) -> None:
    """Refuses results that would replace a picture, or each other."""
    pictures = {identity: job.source for job in jobs if (identity := _identity(job.source)) is not None}
    by_target: dict[str, Path] = {}
    for job in jobs:
        identity = _identity(job.target)
        if identity in pictures:
            raise TilewrightError(
                f"{job.target} would replace the picture {pictures[identity]}; choose another name or folder"
            )
        first = by_target.setdefault(os.path.normcase(job.target.absolute()), job.source)
        if first is not job.source:
            raise TilewrightError(
                f"{first} and {job.source} would both become {job.target}; "
                "rename one, or upscale them into different folders"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """What all names of one file have in common; None when there is no such file."""
    status = _status(path)
    return None if status is None else (status.st_dev, status.st_ino)


def _is_directory(path: Path) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: Path) -> os.stat_result | None:
    """None when the path leads nowhere, or nowhere we may look."""
    try:
        return path.stat()
    except OSError:
        return None
