"""Earlier results among the input pictures of `tilewright upscale`, which are not upscaled again.

Results are known by the extended attribute that `record_network` gives them, and results beside
their pictures by their names too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.cli.existing import recorded_network
from tilewright.cli.search import counted
from tilewright.cli.targets import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tilewright.cli.job import FileJob
    from tilewright.cli.search import Search

# Results that are named in a message.
_NAMED = 3


def take_results(search: Search) -> list[Path]:
    """Removes the results from the pictures that were found in folders and by patterns, and returns them.

    Pictures that an argument names stay.
    """
    found = []
    for key, (path, _) in list(search.pictures.items()):
        if key not in search.named and recorded_network(path) is not None:
            found.append(path)
            del search.pictures[key]
    return found


def without_own_results(jobs: Sequence[FileJob]) -> list[FileJob]:
    """Leaves out each job whose picture is an earlier result of another job.

    A shell that expands ``photos/*`` also names the results in that folder.
    """
    earlier = {job.source for job in jobs if job.source is not None and recorded_network(job.source) is not None}
    results = {identity_of(job.target) for job in jobs if job.source not in earlier} - {None}
    return [job for job in jobs if job.source not in earlier or identity_of(job.source) not in results]


def without_results_beside(jobs: Sequence[FileJob], search: Search, *, overwrite: bool) -> list[FileJob]:
    """Leaves out each job whose picture has the name of the result of another picture, beside it.

    Attributes are not needed for that: the second time, a folder with ``photo.jpg`` also has
    ``photo-x4.png``.

    Args:
        jobs: Jobs whose results lie beside their pictures.
        search: Where the pictures were found.
        overwrite: Whether results are replaced. Then a picture that an argument names stays.
    """
    results = {identity_of(job.target) for job in jobs if identity_of(job.target) != identity_of(job.source)} - {None}
    return [
        job
        for job in jobs
        if identity_of(job.source) not in results or (overwrite and job.source is not None and search.names(job.source))
    ]


def not_results_of(jobs: Iterable[FileJob], results: Iterable[Path]) -> list[Path]:
    """Returns the results that no job is going to make or has made."""
    targets = {identity_of(job.target) for job in jobs}
    return [path for path in results if identity_of(path) not in targets]


def left_out_results(paths: Sequence[Path]) -> str:
    """Returns one line about results that are left out."""
    names = ", ".join(map(str, paths[:_NAMED])) + (", …" if len(paths) > _NAMED else "")
    it = "it" if len(paths) == 1 else "them"
    return f"left out {counted(len(paths), 'result')} of tilewright ({names}); name {it} to upscale {it} again"
