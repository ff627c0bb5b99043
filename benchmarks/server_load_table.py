"""Prints a result file of `server_load.py` as Markdown.

python benchmarks/server_load_table.py FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from table import caption

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Round = dict[str, Any]


def _spread(values: Sequence[float], form: str = ".2f") -> str:
    median, low, high = (format(value, form) for value in (np.median(values), min(values), max(values)))
    return f"{median} ({low}–{high})"


def _figures(tasks: int) -> list[tuple[str, str, Callable[[Round], float], str]]:
    """Returns name, goal, value in a round, and format of each figure that both kinds of rounds have."""
    return [
        ("throughput relative to `Upscaler.run`", "≥ 0.9", lambda one: one["relative_throughput"], ".2f"),
        ("CPU time of `Upscaler.run` relative to the server's", "", _relative_cpu, ".2f"),
        ("tasks per second", "", lambda one: tasks / one["seconds"], ".1f"),
        ("tasks told to come again", "", _refused, ".0f"),
        ("seconds from sending to answer, median", "", lambda one: one["p50"], ".2f"),
        ("seconds from sending to answer, 99th percentile", "", lambda one: one["p99"], ".2f"),
        ("CPU seconds in process", "", lambda one: one["in_process"]["cpu_seconds"], ".1f"),
        ("CPU seconds of the server", "", lambda one: one["cpu_seconds"], ".1f"),
        ("CPU seconds of the clients", "", lambda one: one["clients_cpu_seconds"], ".2f"),
        ("CPU seconds of slow readers, garbage and vanishing clients", "", _hostile_cpu, ".2f"),
        ("memory before, MB", "", lambda one: one["memory"]["before"] / 1e6, ".0f"),
        ("memory, peak, MB", "", lambda one: one["memory"]["peak"] / 1e6, ".0f"),
        ("memory after, MB", "flat", lambda one: one["memory"]["after"] / 1e6, ".0f"),
    ]


def _relative_cpu(one: Round) -> float:
    return float(one["in_process"]["cpu_seconds"] / one["cpu_seconds"])


def _refused(one: Round) -> float:
    return float(sum(count for code, count in one["outcomes"].items() if code != "done"))


def _hostile_cpu(one: Round) -> float:
    return float(one.get("hostile_cpu_seconds", 0))


def _delay_figures() -> list[tuple[str, str, Callable[[Round], float], str]]:
    def longest(field: int) -> Callable[[Round], float]:
        return lambda one: 1000 * one["delays"][0][field] if one["delays"] else 0.0

    return [
        ("longest delay of the event loop, ms", "≤ 50", longest(0), ".0f"),
        ("of which the loop ran", "", longest(1), ".0f"),
        ("of which the cores were busy", "", longest(2), ".0f"),
        ("delays above 50 ms", "", lambda one: one["delays_above_50_ms"], ".0f"),
    ]


def lines(results: dict[str, Any]) -> list[str]:
    """Returns the table: each figure in quiet and in loaded rounds, as median, lowest and highest."""
    load = results["load"]
    hostile = f"{load['slow']} slow readers, {load['garbage']} connections with garbage, {load['vanishing']} vanishing"
    rounds = [one for one in results["rounds"] if not one["is_warm_up"]]
    quiet, loaded = ([one for one in rounds if one["is_loaded"] == is_loaded] for is_loaded in (False, True))
    both = _figures(load["clients"] * load["tasks_each"])
    return [
        caption(results).replace("Medians, with the first and third quartile", "Medians, with lowest and highest"),
        "",
        f"Clients: {load['clients']} with {load['tasks_each']} tasks each; loaded: with {hostile} clients. "
        f"Rounds: {len(quiet)}.",
        "",
        "| quantity | target | quiet | loaded |",
        "|---|---|---|---|",
        *(
            f"| {name} | {goal} | {_spread([value(one) for one in quiet], form)} "
            f"| {_spread([value(one) for one in loaded], form)} |"
            for name, goal, value, form in both
        ),
        *(
            f"| {name} | {goal} | | {_spread([value(one) for one in loaded], form)} |"
            for name, goal, value, form in _delay_figures()
        ),
    ]


def main() -> None:
    """Runs the command."""
    print(*lines(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), sep="\n")


if __name__ == "__main__":
    main()
