"""Finds the input pictures of `tilewright upscale`: files, folders and patterns."""

from __future__ import annotations

import glob
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# Files that are named in a message about what was left out.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Argument:
    """One argument of the command line.

    Attributes:
        name: The argument.
        is_pattern: Whether it is a pattern, and not the name of something that exists.
        fixed: The folder whose subfolders are kept below the output folder: the part of a pattern
            before its first wildcard, a folder itself, or the folder of a file.
        parent: The folder that the argument is in; for a pattern `fixed`.
    """

    name: str
    is_pattern: bool
    fixed: Path
    parent: Path


class Search:
    """Collects the input pictures, each once however often it is named.

    Files, folders and patterns follow one rule. Pictures in the output folder are results and are
    left out, unless the output folder is what the user asked to search. A picture's subfolder is its
    place below the fixed part of the argument.

    Attributes:
        pictures: Each picture and the subfolder of its result, by resolved path.
        named: Resolved paths of the pictures that an argument names, not only a folder or a pattern.
        problems: Pairs of an input and its error message.
        notes: Lines on what was left out.
    """

    def __init__(self, *, suffixes: Collection[str], recursive: bool, out: Path | None) -> None:
        """Starts with nothing found.

        Args:
            suffixes: Endings of the files that are taken from folders, in lower case.
            recursive: Whether to search subfolders.
            out: The output folder; None if the output is a file.
        """
        self.pictures: dict[Path, tuple[Path, Path]] = {}
        self.named: set[Path] = set()
        self.problems: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._suffixes = suffixes
        self._recursive = recursive
        self._out_name = out
        self._out = out and resolved(out)

    def add_all(self, names: Sequence[str]) -> None:
        """Adds the pictures of all arguments."""
        arguments = []
        for name in names:
            if is_url(name):
                self.problems.append((name, "this is a URL; download the picture first, and give the file"))
            else:
                arguments.append(_argument(name))
        # A shell that expands `*` also names the output folder and, with `**`, the results in it.
        outside = [argument for argument in arguments if not self._is_in_out(argument.fixed)]
        swept = any(self._contains_out(argument.parent) for argument in outside)
        left_out = 0
        for argument in arguments:
            if swept and argument not in outside:
                left_out += 1
            else:
                self._add(argument)
        if left_out:
            self.notes.append(f"{self._out_name}: left out {counted(left_out, 'argument')} in this output folder")

    def names(self, path: Path) -> bool:
        """Returns whether an argument names a picture, see `named`."""
        return _key(path) in self.named

    def _contains_out(self, folder: Path) -> bool:
        """Returns whether the output folder lies below a folder."""
        return self._out is not None and resolved(folder) in self._out.parents

    def _is_in_out(self, folder: Path) -> bool:
        """Returns whether a folder is the output folder or lies below it."""
        return self._out is not None and resolved(folder).is_relative_to(self._out)

    def _add(self, argument: _Argument) -> None:
        if not argument.is_pattern:
            path = Path(argument.name)
            self.named.add(_key(path))
            self._add_path(path, argument.fixed, Path())
            return
        # Path.glob accepts no absolute patterns.
        matches = sorted(map(Path, glob.glob(argument.name, recursive=True)))  # noqa: PTH207
        if not self._is_in_out(argument.fixed):
            matches = [path for path in matches if not self._is_in_out(_searched(path))]
        if not matches:
            self.problems.append((argument.name, "no file matches this pattern"))
        for path in matches:
            self._add_path(path, argument.fixed, _place(path.parent, argument.fixed))

    def _add_path(self, path: Path, fixed: Path, subfolder: Path) -> None:
        """Adds a picture, or the pictures of a folder that an argument names or a pattern matches."""
        try:
            status = path.stat()
        except OSError as error:
            self.problems.append((str(path), error.strerror or str(error)))
            return
        if stat.S_ISDIR(status.st_mode):
            self._add_folder(path, subfolder if path == fixed else subfolder / path.name)
        else:
            self._add_picture(path, subfolder)

    def _add_folder(self, top: Path, place: Path) -> None:
        """Adds the pictures of a folder, and notes what else is in it.

        Args:
            top: The folder.
            place: Its place below the output folder.
        """
        found: list[Path] = []
        others: list[Path] = []
        unsearched = 0
        problems_before = len(self.problems)
        for parent, folders, files in os.walk(top, onerror=self._add_unreadable):
            subfolders = [name for name in folders if not name.startswith(".")]
            subfolders = [name for name in subfolders if not self._is_result(Path(parent) / name, top)]
            folders[:] = subfolders if self._recursive else []
            unsearched += 0 if self._recursive else len(subfolders)
            for name in files:
                if not name.startswith("."):
                    (found if Path(name).suffix.lower() in self._suffixes else others).append(Path(parent) / name)
        for path in sorted(found):
            self._add_picture(path, place / path.parent.relative_to(top))
        if not found and len(self.problems) == problems_before:
            self.problems.append((str(top), self._nothing_found(top, others)))
        elif found and (others or unsearched):
            skipped = [f"{counted(len(others), 'other file')} ({_listed(others, top)})"] if others else []
            if unsearched:
                skipped.append(f"{counted(unsearched, 'subfolder')} (use -r)")
            self.notes.append(f"{top}: left out {' and '.join(skipped)}")

    def _nothing_found(self, top: Path, others: list[Path]) -> str:
        suffixes = ", ".join(sorted(self._suffixes))
        only = f", only {_listed(others, top)}" if others else ""
        hint = "" if self._recursive else "; use -r to search subfolders"
        return f"no pictures ({suffixes}) in this folder{only}{hint}"

    def _is_result(self, folder: Path, top: Path) -> bool:
        return not self._is_in_out(top) and self._is_in_out(folder)

    def _add_picture(self, path: Path, subfolder: Path) -> None:
        self.pictures.setdefault(_key(path), (path, subfolder))

    def _add_unreadable(self, error: OSError) -> None:
        self.problems.append((str(error.filename), error.strerror or str(error)))


def expand_home(name: str) -> str:
    """Replaces a leading ``~`` or ``~user``, which shells do not expand in quotes or after ``=``.

    A name that exists is kept.
    """
    return os.path.expanduser(name) if name.startswith("~") and not os.path.lexists(name) else name  # noqa: PTH111


def is_url(name: str) -> bool:
    """Returns whether a name starts with a scheme such as ``https://`` or ``s3://``."""
    return re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE) is not None


def is_pattern(name: str) -> bool:
    """Returns whether a name is a pattern that the shell has not expanded."""
    return glob.has_magic(name) and not os.path.lexists(name)


def resolved(path: Path) -> Path:
    """Returns the absolute path without links. Unlike `Path.resolve`, it accepts any loop of links."""
    return Path(os.path.realpath(path))


def _key(path: Path) -> Path:
    # The name itself is not resolved: two links to one file have two results.
    return resolved(path.parent) / path.name


def _argument(name: str) -> _Argument:
    if is_pattern(name):
        parts = Path(name).parts
        fixed = Path(*parts[: next(index for index, part in enumerate(parts) if glob.has_magic(part))])
        return _Argument(name, is_pattern=True, fixed=fixed, parent=fixed)
    path = Path(name)
    folder = _searched(path)
    return _Argument(name, is_pattern=False, fixed=folder, parent=resolved(path).parent if folder == path else folder)


def _searched(path: Path) -> Path:
    """Returns a folder itself, or the folder of a file."""
    return path if os.path.isdir(path) else path.parent  # noqa: PTH112 (Path.is_dir raises some errors)


def _place(folder: Path, fixed: Path) -> Path:
    """Returns the place of a folder below another, from which no ``..`` leads out."""
    place = Path(os.path.normpath(Path(*folder.parts[len(fixed.parts) :])))
    return Path() if ".." in place.parts else place


def counted(count: int, noun: str) -> str:
    """Returns a number with its noun, in the plural unless it is one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _listed(files: list[Path], top: Path) -> str:
    """Names the first files of a folder and counts the rest."""
    rest = len(files) - _NAMED
    names = ", ".join(str(path.relative_to(top)) for path in sorted(files)[:_NAMED])
    return names + (f" and {rest} more" if rest > 0 else "")
