"""Turns the file arguments of `tilewright upscale` into jobs, before any work is done."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.codecs.decode import sniff
from tilewright.codecs.formats import INPUT_SUFFIXES, extension
from tilewright.errors import TilewrightError
from tilewright.inputs.url import is_remote_url
from tilewright.literals import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMAT_OF_SUFFIX: dict[str, Format] = {".png": "PNG", ".jpg": "JPG", ".jpeg": "JPG", ".webp": "WEBP"}

# Bytes of a file that `sniff` needs.
_HEAD = 16


@dataclass(frozen=True, slots=True)
class FileJob:
    """One picture to upscale.

    Attributes:
        source: Input file.
        target: Output file.
        file_format: Format of the output file.
    """

    source: Path
    target: Path
    file_format: Format


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The work of one command.

    Attributes:
        jobs: Pictures to upscale in the order of the command line, with folders and patterns
            sorted. All targets differ.
        problems: Pairs of an input and its error message, for each input that cannot be upscaled.
        done: Inputs that are skipped because their result is already in the output folder.
    """

    jobs: list[FileJob]
    problems: list[tuple[str, str]]
    done: list[Path]


def plan_jobs(
    inputs: Sequence[str], out: str, *, file_format: Format | None, recursive: bool, overwrite: bool
) -> BatchPlan:
    """Finds the pictures and chooses the names of their results.

    Args:
        inputs: Files, folders, and patterns that the shell has not expanded. An existing path is
            taken literally.
        out: Output folder if it exists as one, ends with a separator, or `inputs` can be several
            pictures; else the output file.
        file_format: Format of all results. None means the format of the extension of `out`; in a
            folder it means each picture's own format if that can be written, else PNG.
        recursive: Whether to search subfolders; results go to subfolders of the same names.
        overwrite: Whether results may replace existing files that are not inputs. Otherwise an
            existing result is skipped in a folder, and is a problem if `out` is a file.

    Raises:
        TilewrightError: The output format is unknown, `out` must be a folder but is a file, two
            results have the same name, or a result would overwrite an input.
    """
    if not out:
        raise TilewrightError("-o is empty; give a file or a folder")
    folder = _is_folder(out, inputs)
    search = _Search(recursive=recursive, exclude=Path(out) if folder else None)
    for name in inputs:
        search.add(name)
    problems = search.problems
    jobs = []
    for source, subfolder in search.pictures.values():
        if folder:
            chosen = file_format or _own_format(source)
            jobs.append(FileJob(source, Path(out) / subfolder / f"{source.stem}.{extension(chosen)}", chosen))
        else:
            jobs.append(FileJob(source, Path(out), _file_format(out, file_format)))
    _check_targets(jobs)
    to_do, done = [], []
    for job in jobs:
        if overwrite or not os.path.lexists(job.target):
            to_do.append(job)
        elif folder:
            done.append(job.source)
        else:
            problems.append((str(job.source), existing_problem(job.target)))
    return BatchPlan(to_do, problems, done)


def existing_problem(target: Path) -> str:
    """Returns the error message for a target that already exists."""
    return f"{target} already exists; use --overwrite to replace it"


def _file_format(out: str, requested: Format | None) -> Format:
    """Returns the format of a single result; raises if extension and requested format differ."""
    named = _FORMAT_OF_SUFFIX.get(Path(out).suffix.lower())
    if requested is not None and named is not None and requested != named:
        raise TilewrightError(f"{out} names a {named} file, but --format is {requested}; change one of them")
    return requested or _format_of_name(out)


def _format_of_name(out: str) -> Format:
    suffix = Path(out).suffix
    if suffix.lower() not in _FORMAT_OF_SUFFIX:
        problem = f"cannot write {suffix}" if suffix else "the name has no extension"
        raise TilewrightError(
            f"{out}: {problem}; use .png, .jpg or .webp, choose a format with --format, "
            f"or end the name with {os.sep} for a folder"
        )
    return _FORMAT_OF_SUFFIX[suffix.lower()]


def _own_format(source: Path) -> Format:
    """Returns the format of the picture's content if it can be written, else PNG."""
    kind = None
    if source.is_file():  # bytes read from a pipe here would be lost
        with contextlib.suppress(OSError), source.open("rb") as file:  # reported when the picture is decoded
            kind = sniff(file.read(_HEAD))
    return next((name for name in FORMATS if name == kind), "PNG")


def _is_folder(out: str, inputs: Sequence[str]) -> bool:
    """Returns whether results go into a folder; see `plan_jobs`."""
    status = _status(Path(out))
    if status is not None and stat.S_ISDIR(status.st_mode):
        return True
    ends_with_separator = out.endswith((os.sep, os.altsep or os.sep))
    several = len(inputs) > 1 or (_is_pattern(inputs[0]) and "://" not in inputs[0]) or _is_directory(Path(inputs[0]))
    if not ends_with_separator and not several:
        return False
    if status is not None or (not ends_with_separator and Path(out).suffix.lower() in _FORMAT_OF_SUFFIX):
        raise TilewrightError(f"{out} is a file name; several pictures need a folder, such as -o large{os.sep}")
    return True


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not os.path.lexists(name)


class _Search:
    """Collects the input pictures without duplicates.

    Attributes:
        pictures: Each picture and the subfolder of its result, by absolute path.
        problems: Pairs of an input and its error message.
    """

    def __init__(self, *, recursive: bool, exclude: Path | None) -> None:
        self.pictures: dict[Path, tuple[Path, Path]] = {}
        self.problems: list[tuple[str, str]] = []
        self._recursive = recursive
        # The output folder may be inside an input folder; results must not become inputs.
        self._exclude = exclude and exclude.resolve()

    def add(self, name: str) -> None:
        """Adds the pictures of one argument: a file, a folder or a pattern."""
        if is_remote_url(name):
            self.problems.append((name, "this is a URL; download the picture first, and give the file"))
            return
        # Path.glob accepts no absolute patterns.
        matches = sorted(glob.glob(name, recursive=True)) if _is_pattern(name) else [name]  # noqa: PTH207
        if not matches:
            self.problems.append((name, "no file matches this pattern"))
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
        problems_before = len(self.problems)
        for parent, folders, files in os.walk(top, onerror=self._add_unreadable):
            folders[:] = [name for name in folders if self._recursive and self._is_searched(Path(parent) / name)]
            found += [
                Path(parent) / name
                for name in files
                if Path(name).suffix.lower() in INPUT_SUFFIXES and not name.startswith(".")
            ]
        for path in sorted(found):
            self._add_picture(path, path.parent.relative_to(top))
        if not found and len(self.problems) == problems_before:
            suffixes = ", ".join(sorted(INPUT_SUFFIXES))
            hint = "" if self._recursive else "; use -r to search subfolders"
            self.problems.append((str(top), f"no pictures ({suffixes}) in this folder{hint}"))

    def _add_picture(self, path: Path, subfolder: Path) -> None:
        self.pictures.setdefault(path.absolute(), (path, subfolder))

    def _add_unreadable(self, error: OSError) -> None:
        self.problems.append((str(error.filename), error.strerror or str(error)))

    def _is_searched(self, folder: Path) -> bool:
        return not folder.name.startswith(".") and folder.resolve() != self._exclude


def _check_targets(jobs: Sequence[FileJob]) -> None:
    """Raises if a result would overwrite an input picture or another result."""
    sources = {identity: job.source for job in jobs if (identity := _identity(job.source)) is not None}
    by_target: dict[str, Path] = {}
    for job in jobs:
        identity = _identity(job.target)
        if identity in sources:
            raise TilewrightError(
                f"{job.target} would replace the picture {sources[identity]}; choose another name or folder"
            )
        first = by_target.setdefault(os.path.normcase(job.target.absolute()), job.source)
        if first is not job.source:
            raise TilewrightError(
                f"{first} and {job.source} would both become {job.target}; "
                "rename one, or upscale them into different folders"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Returns device and inode, which all names of a file share; None if there is no such file."""
    status = _status(path)
    return None if status is None else (status.st_dev, status.st_ino)


def _is_directory(path: Path) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: Path) -> os.stat_result | None:
    """Returns the status of a file; None if it does not exist or cannot be accessed."""
    try:
        return path.stat()
    except OSError:
        return None
