"""Figures of the networks: kept as JSON, and written into the tables of the documentation."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

from tilewright.models.catalog import CATALOG

_ROOT = Path(__file__).parents[2]
RESULTS = _ROOT / "benchmarks" / "results" / "gallery.json"
PAGES = (_ROOT / "docs" / "gallery.md", _ROOT / "docs" / "models.md")

# A table between the comments `figures: seconds x4` and `end of figures`. The first comment says
# what the last columns show, and at which factor.
_TABLE = re.compile(r"<!-- figures: ([\w ]+) x(\d) -->\n(.*?)<!-- end of figures -->", re.DOTALL)


def keep(**facts: Any) -> None:
    """Adds facts to `RESULTS`, or replaces them."""
    kept = load() if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(kept | facts, indent=1) + "\n", "utf-8")


def load() -> dict[str, Any]:
    """Returns the facts in `RESULTS`."""
    return dict(json.loads(RESULTS.read_text("utf-8")))


def update_pages() -> None:
    """Writes the figures into all tables of the documentation."""
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8"), load()), "utf-8")


def filled(text: str, facts: dict[str, Any]) -> str:
    """Returns the text of a page with the figures in its tables.

    Args:
        text: The page. Each row of its tables names a network.
        facts: See `keep`.
    """

    def replaced(match: re.Match[str]) -> str:
        columns, factor = match[1].split(), match[2]
        head, rule, *rows = (line for line in match[3].splitlines() if line.startswith("|"))
        body = [_filled_row(row, columns, factor, facts) for row in rows]
        opening = match[0].partition("\n")[0]
        return "\n".join([opening, head, rule, *body, "", _conditions(facts), "<!-- end of figures -->"])

    return _TABLE.sub(replaced, text)


def _filled_row(row: str, columns: list[str], factor: str, facts: dict[str, Any]) -> str:
    cells = row.strip("|").split("|")
    network = next(name for name in re.findall(r"`([\w-]+)`", row) if name in CATALOG)
    cells[-len(columns) :] = [f" {_figure(column, network, factor, facts)} " for column in columns]
    return f"|{'|'.join(cells)}|"


def _figure(column: str, network: str, factor: str, facts: dict[str, Any]) -> str:
    if column == "psnr":
        return f"{facts['psnr'][network]:.2f} dB"
    seconds = facts["seconds"][f"{network}-x{factor}"]
    return f"{_short(statistics.median(seconds))} ({_short(min(seconds))}–{_short(max(seconds))})"


def _conditions(facts: dict[str, Any]) -> str:
    how = (
        f"Seconds: median of {facts['rounds']} runs on {facts['machine']}, array to array, with the least and the most."
    )
    if facts["shared"]:
        how += " Other programs ran at the same time, so the seconds are CPU time divided by the number of cores."
    return f"*{how}*"


def _short(seconds: float) -> str:
    return f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"
