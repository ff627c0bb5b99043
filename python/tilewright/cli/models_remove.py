"""The command `tilewright models remove`: removes a network that was imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.cli.terminal import print_line
from tilewright.models.collection import remove_network
from tilewright.settings import Settings

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Removes the network and returns the exit status.

    Raises:
        TilewrightError: There is no such network, or it cannot be removed.
    """
    remove_network(arguments.name, Settings.from_environment().models_dir)
    print_line(console, f"removed {arguments.name}")
    return 0
