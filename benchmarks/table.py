"""Prints the results of a run as Markdown.

python benchmarks/table.py benchmarks/results/cpu.json [--match REGEX]

The targets come first, and whether they are met; see `targets.py`.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import targets

BASELINES = ("NumPy", "obvious NumPy")


def three_digits(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{three_digits(seconds * 1e3)} ms"


def verdict(info: dict[str, Any]) -> str:
    """What the `extra_info` of a benchmark says of the two things that were timed in turns."""
    if "memory_above" in info:
        return memory(info)
    ratio, added = info["ratio"], info["added"]
    if "gb_per_s" in info:
        share = f"{1 / ratio['median']:.0%} ({1 / ratio['q3']:.0%}–{1 / ratio['q1']:.0%})"
        return f"{info['gb_per_s']:.1f} GB/s, {share} of {info['compared_with']}"
    median, q1, q3 = (three_digits(ratio[key]) for key in ("median", "q1", "q3"))
    text = f"{median} ({q1}–{q3}) × {info['compared_with']}"
    if added["median"] > 0:
        text += f", +{duration(added['median'])}"
    if "size_ratio" in info:
        text += f"; size {info['size_ratio']:.3f} × its"
    if "redundancy" in info:
        text += f"; tiles: {info['tiles']}, redundancy {info['redundancy']:.2f}"
    return text


def memory(info: dict[str, Any]) -> str:
    seconds, tiles = info["report"]["totalSeconds"], info["report"]["tiles"]
    windows = f"in {info['windows']} windows of the file {info['windows_samples_different']} samples differ"
    return (
        f"{info['memory_above'] / 1e6:.0f} MB above the loaded runtime; {duration(seconds)}, tiles: {tiles}; {windows}"
    )


def ratio(benchmark: dict[str, Any]) -> float:
    return float(benchmark["extra_info"]["ratio"]["median"])


def caption(results: dict[str, Any]) -> str:
    machine, commit = results["machine_info"], results["commit_info"]
    cpu = machine["cpu"]
    parts = [
        f"{cpu['name']} (family {cpu['family']}, model {cpu['model']})",
        f"{machine['usable_cpus']} CPUs",
        f"kernels {machine['isa']}, {machine['compiler']}",
        f"Python {machine['python_version']}",
        *(f"{name} {version}" for name, version in machine["versions"].items()),
        f"commit {commit['id'][:12]}{' with changes' if commit.get('dirty') else ''}",
        results["datetime"][:10],
    ]
    note = "**A smoke run: its figures mean nothing.** " if results["smoke"] else ""
    return f"{note}{'; '.join(parts)}. Medians, in brackets the middle half of the rounds."


def rows(results: dict[str, Any], match: str) -> list[str]:
    benchmarks = targets.finished(results)
    # By way of what each was timed in turns with: their own times are from different moments.
    baselines = {
        (b["group"], b["extra_info"]["label"]): ratio(b) for b in benchmarks if b["extra_info"]["label"] in BASELINES
    }
    over = " | ".join(f"over {baseline}" for baseline in BASELINES)
    lines = [f"| what | case | time | in turns with its measure | {over} |", "|---|---|---|---|---|---|"]
    for benchmark in benchmarks:
        group, stats, info = benchmark["group"], benchmark["stats"], benchmark["extra_info"]
        if not re.search(match, f"{group}, {info['label']}"):
            continue
        time = f"{duration(stats['median'])} ({duration(stats['q1']).split()[0]}–{duration(stats['q3']).split()[0]})"
        gains = " | ".join(
            f"{baselines[group, baseline] / ratio(benchmark):.1f}×" if (group, baseline) in baselines else ""
            for baseline in BASELINES
        )
        lines.append(f"| {group} | {info['label']} | {time} | {verdict(info)} | {gains} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="files that --benchmark-json wrote")
    parser.add_argument("--match", default="", help="rows whose 'what, case' the regular expression is found in")
    arguments = parser.parse_args()
    for path in arguments.results:
        results = json.loads(path.read_text(encoding="utf-8"))
        shown = [] if arguments.match else [*targets.rows(results), ""]
        print(caption(results), "", *shown, *rows(results, arguments.match), "", sep="\n")


if __name__ == "__main__":
    main()
