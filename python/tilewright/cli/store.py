"""The command `tilewright store`: shows what the image store contains, and cleans it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from tilewright.errors import TilewrightError
from tilewright.settings import Settings
from tilewright.store.opening import open_store

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from tilewright.cli.signals import StopSignals

_DAY = 24 * 3600


def run(arguments: argparse.Namespace, _console: Console, _signals: StopSignals) -> int:
    """Prints the store's location and contents, or the number of removed images, on stdout.

    Returns:
        The exit status.

    Raises:
        StoreError: The store cannot be read, or an image cannot be removed.
        TilewrightError: ``--unused-for`` without ``clean``.
    """
    settings = Settings.from_environment()
    store = open_store(settings.store, ttl=settings.store_ttl, shared=settings.store_shared)
    if arguments.action == "clean":
        days = arguments.unused_for
        removed = store.expire() if days is None else store.clean(unused_for=days * _DAY)
        print(json.dumps({"removed": removed}) if arguments.json else f"{_images(removed)} removed")
        return 0
    if arguments.unused_for is not None:
        raise TilewrightError("--unused-for is for `tilewright store clean`")
    usage = store.usage()
    if arguments.json:
        facts = {"location": store.public_location, "ttl": store.ttl, **dataclasses.asdict(usage)}
        print(json.dumps(facts, indent=2))
        return 0
    kept = "for ever" if store.ttl is None else f"{store.ttl:g} s after their last use"
    print(f"Location   {store.public_location}")
    temporary = f"; {_images(usage.temporary, 'temporary ')} for a day at most" if usage.temporary else ""
    print(f"Contents   {_images(usage.images)}, {_size(usage.bytes)}")
    print(f"Kept       {kept}{temporary}")
    return 0


def _images(count: int, kind: str = "") -> str:
    return f"{count} {kind}image{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 10**6 else f"{size / 1e3:.1f} kB"
