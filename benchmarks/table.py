"""Prints result files as Markdown: the performance targets, then all benchmarks.

python benchmarks/table.py benchmarks/results/cpu.json [--match REGEX]
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import targets

# Labels of the NumPy versions in the results. Every other row of the group is also compared with
# these.
NUMPY_LABELS = ("NumPy", "obvious NumPy")

# Stored names → printed names. The stored ones stay as they are, so that old and new result files
# can be compared.
_DISPLAY_NAMES = {
    "a head of its own": "native head",
    "as planned": "default tiles",
    "copying as many bytes": "memcpy",
    "obvious NumPy": "naive NumPy",
    "OpenVINO bf16, whole picture": "OpenVINO, whole picture",
    "ours": "tilewright",
    "ours over the engine": "tilewright over the engine",
    "ours over the network": "tilewright",
    "run": "Upscaler.run",
    "runs": "run-length deflate",
    "that of factor 4, rescaled": "the ×4 head and a rescale",
    "upscale_array": "Upscaler.upscale_array",
    "without the network": "without network time",
}
_DISPLAY_PREFIXES = {
    "ours against ": "tilewright against ",
    "JPEG to PNG in a process of its own": "JPEG to PNG in a separate process",
}


def display_name(stored: str) -> str:
    """Returns the printed name of a label, a baseline or a group of the results."""
    for prefix, shown in _DISPLAY_PREFIXES.items():
        if stored.startswith(prefix):
            return shown + stored.removeprefix(prefix)
    return _DISPLAY_NAMES.get(stored, stored)


def three_digits(value: float) -> str:
    """Formats a number with three significant digits."""
    return f"{value:#.3g}".rstrip(".")


def duration(seconds: float) -> str:
    """Formats a time in seconds or milliseconds."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{three_digits(seconds * 1e3)} ms"


def comparison(info: dict[str, Any]) -> str:
    """Formats the result of a benchmark relative to its baseline.

    Args:
        info: The ``extra_info`` of the benchmark.
    """
    if "memory_above" in info:
        return _memory(info)
    ratio, added = info["ratio"], info["added"]
    baseline = display_name(info["compared_with"])
    if "gb_per_s" in info:
        share = f"{1 / ratio['median']:.0%} ({1 / ratio['q3']:.0%}–{1 / ratio['q1']:.0%})"
        return f"{info['gb_per_s']:.1f} GB/s, {share} of {baseline}"
    if "gflop_per_s" in info:
        return _rate(info)
    text = f"{_spread(ratio)} × {baseline}"
    if added["median"] > 0:
        text += f", +{duration(added['median'])}"
    if "size_ratio" in info:
        text += f"; {info['size_ratio']:.3f} × its size"
    if "redundancy" in info:
        text += f"; tiles: {info['tiles']}, redundancy {info['redundancy']:.2f}"
    return text


def _spread(quartiles: dict[str, float]) -> str:
    median, q1, q3 = (three_digits(quartiles[key]) for key in ("median", "q1", "q3"))
    return f"{median} ({q1}–{q3})"


def _rate(info: dict[str, Any]) -> str:
    own, other = (f"{info[key]:.0f} GFLOP/s" for key in ("gflop_per_s", "compared_gflop_per_s"))
    baseline = display_name(info["compared_with"])
    if "rate_ratio" in info:  # the baseline does other work, so that only the rates can be compared
        share = "{median:.0%} ({q1:.0%}–{q3:.0%})".format(**info["rate_ratio"])
        return f"{own}, {share} of what {baseline} reaches"
    return f"{own}, {_spread(info['ratio'])} × {baseline} with {other}"


def _memory(info: dict[str, Any]) -> str:
    seconds, tiles = info["report"]["totalSeconds"], info["report"]["tiles"]
    return (
        f"{info['memory_above'] / 1e6:.0f} MB above the loaded runtime; {duration(seconds)}, tiles: {tiles}; "
        f"{info['windows_samples_different']} samples differ in {info['windows']} windows"
    )


def _ratio(benchmark: dict[str, Any]) -> float:
    return float(benchmark["extra_info"]["ratio"]["median"])


def caption(results: dict[str, Any]) -> str:
    """Returns a line with the machine, the versions and the date of a run."""
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
    note = "**A smoke run: these figures are not measurements.** " if results["smoke"] else ""
    return f"{note}{'; '.join(parts)}. Medians, with the first and third quartile in brackets."


def rows(results: dict[str, Any], match: str) -> list[str]:
    """Returns a Markdown table of the benchmarks.

    Args:
        results: The contents of a result file.
        match: Regular expression that selects rows by ``group, label`` as printed; empty for all.
    """
    benchmarks = targets.finished(results)
    # Speed-ups over NumPy are quotients of ratios: the absolute times are from different moments.
    numpy = {
        (b["group"], b["extra_info"]["label"]): _ratio(b)
        for b in benchmarks
        if b["extra_info"]["label"] in NUMPY_LABELS
    }
    over = " | ".join(f"over {display_name(label)}" for label in NUMPY_LABELS)
    lines = [f"| benchmark | case | time | compared with its baseline | {over} |", "|---|---|---|---|---|---|"]
    for benchmark in benchmarks:
        group, stats, info = benchmark["group"], benchmark["stats"], benchmark["extra_info"]
        what, case = display_name(group), display_name(info["label"])
        if not re.search(match, f"{what}, {case}"):
            continue
        time = f"{duration(stats['median'])} ({duration(stats['q1']).split()[0]}–{duration(stats['q3']).split()[0]})"
        gains = " | ".join(
            f"{numpy[group, label] / _ratio(benchmark):.1f}×" if (group, label) in numpy else ""
            for label in NUMPY_LABELS
        )
        lines.append(f"| {what} | {case} | {time} | {comparison(info)} | {gains} |")
    return lines


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="files written with --benchmark-json")
    parser.add_argument("--match", default="", help="print only rows whose 'benchmark, case' matches this regex")
    arguments = parser.parse_args()
    for path in arguments.results:
        results = json.loads(path.read_text(encoding="utf-8"))
        target_rows = [] if arguments.match else [*targets.rows(results), ""]
        print(caption(results), "", *target_rows, *rows(results, arguments.match), "", sep="\n")


if __name__ == "__main__":
    main()
