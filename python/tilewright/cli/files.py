"""Turns the file arguments of `tilewright upscale` into jobs, before any work is done."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.cli.earlier import (
    left_out_results,
    not_results_of,
    take_results,
    without_own_results,
    without_results_beside,
)
from tilewright.cli.job import FileJob
from tilewright.cli.search import Search, expand_home, is_pattern, is_url
from tilewright.cli.targets import (
    STANDARD_STREAM,
    checked_out,
    find_conflicts,
    identity_of,
    is_stream,
    status_of,
    target_problem,
)
from tilewright.codecs.decode import SNIFF_BYTES, sniff
from tilewright.codecs.formats import INPUT_SUFFIXES, extension, format_of_name
from tilewright.errors import TilewrightError
from tilewright.literals import FILE_FORMATS, FileFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The work of one command.

    Attributes:
        jobs: Pictures to upscale in the order of the command line, with folders and patterns
            sorted. All targets differ.
        problems: Pairs of an input and its error message, for each input that cannot be upscaled.
        existing: Pictures whose results are already in the output folder.
        notes: Lines on what was left out.
        conflicts: Lines on results that would overwrite an input or each other. If there are any,
            nothing can be done.
        out_is_file: Whether the command line names the file of the result.
    """

    jobs: list[FileJob]
    problems: list[tuple[str, str]]
    existing: list[FileJob]
    notes: list[str]
    conflicts: list[str]
    out_is_file: bool


def plan_jobs(
    inputs: Sequence[str],
    out: str | None,
    *,
    suffix: str,
    file_format: FileFormat | None,
    recursive: bool,
    overwrite: bool,
) -> BatchPlan:
    """Finds the pictures and chooses the names of their results.

    Args:
        inputs: Files, folders, and patterns that the shell has not expanded, or ``-`` for stdin. An
            existing path is taken literally. Earlier results are upscaled again only if `inputs`
            names them.
        out: Output folder if it exists as one, ends with a separator, or `inputs` can be several
            pictures; else the output file, or ``-`` for stdout. None for a result beside each
            picture.
        suffix: What the name of a picture gets before the extension of its result, unless `out` is
            a file.
        file_format: Format of all results. None means PNG beside a picture, and the format of the
            extension of `out`; in a folder, or for stdout and devices, it means each picture's own
            format if that can be written, else PNG.
        recursive: Whether to search subfolders; results go to subfolders of the same names.
        overwrite: Whether results may replace existing files that are not inputs. Otherwise an
            existing result is skipped, but is a problem if `inputs` is one picture and `out` is not
            a folder.

    Raises:
        TilewrightError: The output format is unknown, or `out` is impossible.
    """
    inputs = [expand_home(name) for name in inputs]
    out = checked_out(out, inputs)
    folder = Path(out) if out is not None and _is_folder(out, inputs) else None
    search = Search(suffixes=INPUT_SUFFIXES, recursive=recursive, out=folder)
    pictures: Iterable[tuple[Path | None, Path]] = [(None, Path())]
    results: list[Path] = []
    if STANDARD_STREAM not in inputs:
        search.add_all(inputs)
        results = take_results(search)
        pictures = search.pictures.values()
    if folder is not None:
        planned = [_job_in_folder(source, folder / place, suffix, file_format) for source, place in pictures]
    elif out is not None:
        planned = [_single_job(source, out, file_format) for source, _ in pictures]
    else:
        several = _can_be_several(inputs)
        planned = [_job_beside(source, suffix, file_format or "PNG", several=several) for source, _ in pictures]
        planned = without_results_beside(planned, search, overwrite=overwrite)
    planned = _without_repetitions(planned)
    if not overwrite:  # with it, a picture that is named would be replaced
        planned = without_own_results(planned)
    if left_out := not_results_of(planned, results):
        if planned or search.problems:
            search.notes.append(left_out_results(left_out))
        else:
            search.problems.append((", ".join(inputs), f"nothing to do: {left_out_results(left_out)}"))
    jobs, existing = _possible(planned, search, overwrite=overwrite)
    out_is_file = out is not None and folder is None
    return BatchPlan(jobs, search.problems, existing, search.notes, find_conflicts(planned), out_is_file)


def _possible(planned: Iterable[FileJob], search: Search, *, overwrite: bool) -> tuple[list[FileJob], list[FileJob]]:
    """Returns the jobs to run, and those whose results exist. What prevents others is added to the problems."""
    jobs, existing = [], []
    for job in planned:
        if job.target is not None and (problem := target_problem(job.target)) is not None:
            search.problems.append((job.source_name, problem))
        elif overwrite or not is_existing(job.target):
            jobs.append(job)
        elif job.skip_existing:
            existing.append(job)
        else:
            search.problems.append((job.source_name, existing_problem(job.target_name)))
    return jobs, existing


def is_existing(target: Path | None) -> bool:
    """Returns whether a target exists that a result would replace."""
    return target is not None and os.path.lexists(target) and not is_stream(target)


def existing_problem(name: str) -> str:
    """Returns the error message for a target that already exists."""
    return f"{name} already exists; use --overwrite to replace it"


def own_format(head: bytes) -> FileFormat:
    """Returns the format of a picture if it can be written, else PNG.

    Args:
        head: The first bytes of the picture's file, or all of it.
    """
    kind = sniff(head[:SNIFF_BYTES])
    return next((name for name in FILE_FORMATS if name == kind), "PNG")


def _job_in_folder(source: Path | None, folder: Path, suffix: str, requested: FileFormat | None) -> FileJob:
    assert source is not None, "stdin has no name for its result"
    chosen = requested or _format_of_file(source) or "PNG"
    target = folder / f"{source.stem}{suffix}.{extension(chosen)}"
    return FileJob(source, target, chosen, skip_existing=True)


def _job_beside(source: Path | None, suffix: str, file_format: FileFormat, *, several: bool) -> FileJob:
    assert source is not None, "stdin has no name for its result"
    target = source.with_name(f"{source.stem}{suffix}.{extension(file_format)}")
    return FileJob(source, target, file_format, skip_existing=several)


def _single_job(source: Path | None, out: str, requested: FileFormat | None) -> FileJob:
    target = None if out == STANDARD_STREAM else Path(out)
    if target is None or (is_stream(target) and format_of_name(target) is None):
        chosen = requested or (None if source is None else _format_of_file(source))
    else:
        chosen = _file_format(out, requested)
    return FileJob(source, target, chosen, skip_existing=False)


def _without_repetitions(jobs: Iterable[FileJob]) -> list[FileJob]:
    """Drops a job whose input and output are those of an earlier one under other names."""
    first: dict[tuple[object, Path | None], FileJob] = {}
    for job in jobs:
        first.setdefault((identity_of(job.source) or job.source, job.target), job)
    return list(first.values())


def _file_format(out: str, requested: FileFormat | None) -> FileFormat:
    """Returns the format of a single result; raises if extension and requested format differ."""
    named = format_of_name(out)
    if requested is not None and named is not None and requested != named:
        raise TilewrightError(f"{out} names a {named} file, but --format is {requested}; change one of them")
    if (chosen := requested or named) is None:
        suffix = Path(out).suffix
        problem = f"cannot write {suffix}" if suffix else "the name has no extension"
        raise TilewrightError(
            f"{out}: {problem}; use .png, .jpg, .webp or .tif, choose a format with --format, "
            f"or end the name with {os.sep} for a folder"
        )
    return chosen


def _format_of_file(source: Path) -> FileFormat | None:
    """Returns the format for the result of a file; None if the file can be read only once."""
    if not source.is_file():  # bytes read from a pipe here would be lost
        return None
    with contextlib.suppress(OSError), source.open("rb") as file:  # reported when the picture is decoded
        return own_format(file.read(SNIFF_BYTES))
    return "PNG"


def _is_folder(out: str, inputs: Sequence[str]) -> bool:
    """Returns whether results go into a folder; see `plan_jobs`."""
    ends_with_separator = out.endswith((os.sep, os.altsep or os.sep))
    several = _can_be_several(inputs)
    if out == STANDARD_STREAM:
        if several:
            raise TilewrightError(
                f"stdout (-) holds one picture; several pictures need a folder, such as -o large{os.sep}"
            )
        return False
    status = status_of(Path(out))
    is_directory = _is_directory(Path(out))
    if STANDARD_STREAM in inputs and (ends_with_separator or is_directory):
        raise TilewrightError("stdin (-) has no name; give -o a file name, or - for stdout")
    if is_directory:
        return True
    if not ends_with_separator and not several:
        return False
    if status is not None or (not ends_with_separator and format_of_name(out) is not None):
        raise TilewrightError(f"{out} is a file name; several pictures need a folder, such as -o large{os.sep}")
    return True


def _can_be_several(inputs: Sequence[str]) -> bool:
    first = inputs[0]
    return len(set(inputs)) > 1 or (not is_url(first) and is_pattern(first)) or _is_directory(Path(first))


def _is_directory(path: Path) -> bool:
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)
