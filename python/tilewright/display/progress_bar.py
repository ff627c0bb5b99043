"""A progress bar for the work of one picture, in a notebook or on a terminal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.engine.progress import OnProgress, Progress


@contextlib.contextmanager
def progress_bar(label: str = "upscaling") -> Iterator[OnProgress]:
    """Shows a bar with the time left until the block ends: on stderr, or in a notebook.

        with tilewright.progress_bar("photo.jpg") as show:
            tilewright.upscale_file("photo.jpg", "large.png", 4, on_progress=show)

    In a notebook, it needs the package ipywidgets.

    Args:
        label: Text before the bar.

    Yields:
        The function to pass as `on_progress`. It may be used for several pictures, one after another.
    """
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)

        def show(progress: Progress) -> None:
            if progress.done == 0:
                bar.reset(task)
            bar.update(task, completed=progress.done, total=progress.total)

        yield show
