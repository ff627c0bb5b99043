"""The command `tilewright models download`: downloads a network and imports it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.cli.models_import import import_file
from tilewright.cli.terminal import can_draw, print_error, print_line
from tilewright.errors import StoreError
from tilewright.models import download
from tilewright.models.collection import check_new_name
from tilewright.models.user_file import check_torch
from tilewright.settings import Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from rich.console import Console

_UNUSABLE = 2


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Shows author and licence, then downloads and imports the network.

    Returns:
        2 if the licence has to be accepted first, else 0.

    Raises:
        TilewrightError: There is no such network, or it cannot be downloaded or used; nothing was
            written.
    """
    settings = Settings.from_environment()
    entry = download.find_entry(arguments.name, index_url=download.INDEX_URL)
    name = arguments.name_here or entry.name
    check_new_name(name, settings.models_dir)
    if entry.kind in ("pth", "safetensors"):
        check_torch(f"{entry.name}.{entry.kind}")  # before the download
    size = f", {entry.size / 1e6:.1f} MB" if entry.size else ""
    print_line(console, f"{entry.title}, by {entry.authors or 'unknown authors'}{size}; {entry.page}")
    print_line(console, f"licence: {entry.licence or 'none is stated, so only its author may use it'}")
    if entry.needs_consent and not arguments.accept_licence:
        print_error(
            console,
            "this licence forbids commercial use, or does not clearly permit it; if you may use the network, repeat "
            "the command with --accept-licence",
        )
        return _UNUSABLE
    with tempfile.TemporaryDirectory(prefix="tilewright-") as folder:
        try:
            with _progress(console) as report:
                path = download.download(entry, Path(folder), on_progress=report)
        except OSError as error:
            raise StoreError(f"cannot write the file of {entry.name}: {error}") from error
        details = {"summary": entry.summary[:200]}
        import_file(
            path,
            name,
            settings,
            console,
            overrides={"licence": entry.licence, "source": entry.page},
            details=details,
        )
    return 0


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int | None], object] | None]:
    """Shows a bar on a terminal inside the block."""
    if not can_draw(console):
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("downloading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
