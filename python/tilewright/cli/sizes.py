"""Sizes of results, known from the headers of the pictures before any network is opened."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tilewright.cli.wording import message_of
from tilewright.codecs.formats import check_size
from tilewright.codecs.header import stored_size
from tilewright.engine.result_size import final_size
from tilewright.errors import EncodeError, TilewrightError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from tilewright.cli.job import FileJob


def expected_sizes(source: Path, arguments: argparse.Namespace) -> list[tuple[int, int]]:
    """Returns the sizes that a result may have: as the file stores the picture, and turned by 90°.

    Empty if the size of the picture cannot be read, or cannot be enlarged as requested.
    """
    stored = stored_size(source)
    if stored is None:
        return []
    sizes = [stored, stored[::-1]]
    if arguments.factor is not None:
        return [(width * arguments.factor, height * arguments.factor) for width, height in sizes]
    with contextlib.suppress(TilewrightError):
        return [final_size(width, height, arguments.size, arguments.fit) for width, height in sizes]
    return []


def without_impossible(
    jobs: Sequence[FileJob], arguments: argparse.Namespace
) -> tuple[list[FileJob], list[tuple[str, str]]]:
    """Sorts out pictures whose results are too large for their format.

    Returns:
        The other jobs, and pairs of an input and its error message.
    """
    possible, problems = [], []
    for job in jobs:
        sizes = expected_sizes(job.source, arguments) if job.source is not None else []
        try:
            # The sizes differ in their order only, or the picture has to be decoded to know which is right.
            if job.file_format is not None and sizes and max(sizes[0]) == max(sizes[1]):
                check_size(*sizes[0], job.file_format)
        except EncodeError as error:
            problems.append((job.source_name, message_of(error, arguments)))
        else:
            possible.append(job)
    return possible, problems


def reduction_line(width: int, height: int, result: tuple[int, int]) -> str | None:
    """Returns a line about a picture that ``--size`` makes smaller; None if it does not.

    Args:
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        result: Width and height of the result in pixels.
    """
    if result[0] > width or result[1] > height or result == (width, height):
        return None
    return f"{width}x{height} is larger than the requested size and is reduced to {result[0]}x{result[1]}"
