"""Recognises existing results that are incomplete, or were made with another size or network."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tilewright.cli.sizes import expected_sizes
from tilewright.codecs.header import is_cut_short, stored_size
from tilewright.errors import TilewrightError
from tilewright.models.catalog import CATALOG, resolve_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import BinaryIO

    from tilewright.cli.job import FileJob
    from tilewright.settings import Settings

# Extended attribute of result files. It leaves their bytes as they are and follows them when they
# are moved.
_ATTRIBUTE = "user.tilewright.network"

# Results that are named in a message.
_NAMED = 3


def network_description(arguments: argparse.Namespace, settings: Settings) -> str:
    """Returns the network and the options that change its results, such as ``"realcugan-pro, denoise 3"``."""
    name = resolve_name(str(arguments.model or settings.model))
    entry = CATALOG.get(name)
    denoise = arguments.denoise
    if entry is not None and entry.denoise and denoise is None:
        with contextlib.suppress(TilewrightError):  # reported when the network is opened
            factor = arguments.factor if arguments.factor in entry.factors else max(entry.factors)
            denoise = entry.network(factor).denoise
    parts = [Path(name).name if entry is None else name]
    parts += [f"denoise {denoise}"] if denoise is not None else []
    parts += [f"after {Path(arguments.pre).name}"] if arguments.pre is not None else []
    parts += [f"{key} {value}" for key, value in arguments.spec or []]
    parts += ["self-ensemble"] if _either(arguments.tta, settings.tta) else []
    parts += ["true colour"] if _either(arguments.true_colour, settings.true_colour) else []
    return ", ".join(parts)


def record_network(file: BinaryIO, description: str) -> None:
    """Records what a result was made with, if the file system has extended attributes."""
    if hasattr(os, "setxattr"):
        with contextlib.suppress(OSError):
            os.setxattr(file.fileno(), _ATTRIBUTE, description.encode("utf-8", "surrogateescape"))


def recorded_network(path: Path) -> str | None:
    """Returns what a result was made with; None if that is not recorded."""
    if hasattr(os, "getxattr"):
        with contextlib.suppress(OSError):
            return os.getxattr(path, _ATTRIBUTE).decode("utf-8", "surrogateescape")
    return None


class Compared(NamedTuple):
    """How existing results compare with what the command line asks for.

    A file that was cut short is no result.

    Attributes:
        different: A line for each result that is not what is asked for.
        unknown: Names of the results whose size, or whose picture's size, cannot be read.
    """

    different: list[str]
    unknown: list[str]


def compare_existing(existing: Sequence[FileJob], arguments: argparse.Namespace, description: str) -> Compared:
    """Compares sizes of existing results, and the networks where they are recorded.

    Args:
        existing: Jobs whose results exist.
        arguments: Parsed command line.
        description: What results are made with, see `network_description`.
    """
    different, unknown = [], []
    for job in existing:
        assert job.source is not None
        assert job.target is not None
        expected = expected_sizes(job.source, arguments)
        found = stored_size(job.target)
        network = recorded_network(job.target)
        if is_cut_short(job.target):
            different.append(f"{job.target} is incomplete or damaged")
        elif found is not None and expected and found not in expected:
            wanted = "x".join(map(str, expected[0]))
            different.append(f"{job.target} is {found[0]}x{found[1]}, not {wanted}")
        elif network is not None and network != description:
            different.append(f"{job.target} was made with {network}, not {description}")
        elif found is None or not expected:
            unknown.append(str(job.target))
    return Compared(different, unknown)


def differences_line(lines: Sequence[str]) -> str:
    """Joins the lines about results that differ into one message."""
    some = _joined(lines, "; ")
    count = "1 result exists but differs" if len(lines) == 1 else f"{len(lines)} results exist but differ"
    return f"{count}: {some}; use --overwrite to replace, or another folder"


def summary(*, failed: int, different: int, skipped: int, total: int) -> str:
    """Returns the last line of a command in which something was not done.

    Args:
        failed: Number of pictures that failed.
        different: Number of results that exist but differ, and were kept.
        skipped: Number of results that exist and do not differ.
        total: Number of pictures whose results did not exist, with the failed ones.
    """
    if not different:
        return f"{failed} of {total} failed"
    parts = [f"{failed} failed"] if failed else []
    parts.append("1 differs and was kept" if different == 1 else f"{different} differ and were kept")
    parts += [f"{skipped} skipped"] if skipped else []
    return ", ".join(parts)


def unknown_line(names: Sequence[str]) -> str:
    """Returns one line about results that were skipped without knowing whether they have the right size."""
    count = "1 of them was" if len(names) == 1 else f"{len(names)} of them were"
    return f"{count} not checked, because a size cannot be read: {_joined(names, ', ')}"


def _joined(names: Sequence[str], separator: str) -> str:
    return separator.join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def _either(option: bool | None, setting: bool) -> bool:
    return setting if option is None else option
