"""Draws what one or more runs found, for the documentation.

python benchmarks/plots.py benchmarks/results/cpu-pipeline.json benchmarks/results/cpu.json docs/images
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt

import targets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Results = dict[str, Any]

OURS, OTHER, FILES = "#1f6f8b", "#9aa5ad", "#d5dadd"


def all_of(results: Results, name: str) -> list[dict[str, Any]]:
    return [benchmark for benchmark in targets.finished(results) if f"::{name}" in benchmark["fullname"]]


def bars(axes: Axes, results: Results) -> None:
    """Seconds from file to file; the spread is the middle half of the rounds."""
    benchmarks = all_of(results, "bench_against[")
    # Beside every peer we were a little faster or slower: that of the run over the network is none of these.
    own = all_of(results, "bench_over_the_bare_network")[0]["stats"]
    ways = [("tilewright", own["median"], 0.0, own["q1"], own["q3"])]
    for benchmark in sorted(benchmarks, key=lambda benchmark: benchmark["extra_info"]["compared"]["median"]):
        info = benchmark["extra_info"]
        spread = info["compared"]
        total, pixels = spread["median"], info["compared_stages"]["pixels"]["median"]
        ways.append((info["compared_with"], pixels, total - pixels, spread["q1"], spread["q3"]))
    ways.reverse()
    for place, (name, pixels, files, q1, q3) in enumerate(ways):
        ours = name == "tilewright"
        axes.barh(place, pixels, color=OURS if ours else OTHER, height=0.62)
        axes.barh(place, files, left=pixels, color=FILES, height=0.62)
        total = pixels + files
        axes.errorbar(total, place, xerr=[[max(total - q1, 0)], [max(q3 - total, 0)]], color="black", capsize=3, lw=1)
        axes.annotate(f"{total:.1f} s", (max(total, q3), place), (7, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(ways)), [way[0] for way in ways])
    axes.set_xlim(0, max(pixels + files for _, pixels, files, _, _ in ways) * 1.12)
    axes.set_xlabel("seconds; light: reading and writing the files with Pillow")
    axes.set_title("JPEG of 1 megapixel to PNG of 17")


def rate(axes: Axes, results: Results) -> None:
    """Input pixels per second against size, beside the bare network."""
    benchmarks = sorted(
        all_of(results, "bench_upscale_array["), key=lambda benchmark: benchmark["extra_info"]["megapixels"]
    )
    sizes = [benchmark["extra_info"]["megapixels"] for benchmark in benchmarks]
    for label, colour, quartiles in (
        ("the bare network", OTHER, [benchmark["extra_info"]["compared"] for benchmark in benchmarks]),
        ("tilewright, array to array", OURS, [benchmark["stats"] for benchmark in benchmarks]),
    ):
        median, low, high = (
            [size * 1e3 / values[key] for size, values in zip(sizes, quartiles, strict=True)]
            for key in ("median", "q3", "q1")
        )
        below = [m - value for m, value in zip(median, low, strict=True)]
        beyond = [value - m for m, value in zip(median, high, strict=True)]
        axes.errorbar(sizes, median, yerr=[below, beyond], marker="o", capsize=4, color=colour, label=label)
    files = all_of(results, "bench_memory[")
    sizes = [benchmark["extra_info"]["megapixels"] for benchmark in files]
    seconds = [benchmark["extra_info"]["report"]["totalSeconds"] for benchmark in files]
    rates = [size * 1e3 / second for size, second in zip(sizes, seconds, strict=True)]
    axes.plot(sizes, rates, marker="s", color=OURS, ls="--", label="tilewright, JPEG to PNG")
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes.set_ylim(0)
    axes.set_xlabel("input, megapixels")
    axes.set_ylabel("thousand input pixels per second")
    axes.set_title("Rate against size")
    axes.legend(frameon=False, loc="lower right")


def memory(axes: Axes, results: Results) -> None:
    """Peak above the loaded runtime against size, beside what whole arrays would take."""
    files = all_of(results, "bench_memory[")
    sizes = [benchmark["extra_info"]["megapixels"] for benchmark in files]
    above = [benchmark["extra_info"]["memory_above"] / 1e6 for benchmark in files]
    axes.plot(sizes, above, marker="o", color=OURS, label="tilewright, JPEG to PNG")
    axes.plot(sizes, [size * 16 * 3 for size in sizes], color=OTHER, ls="--", label="the pixels of the result alone")
    for size, value in zip(sizes, above, strict=True):
        axes.annotate(f"{value:.0f} MB", (size, value), (0, 8), textcoords="offset points", ha="center")
    axes.set_ylim(0, max(max(above) * 1.15, max(sizes) * 48 * 1.08))
    axes.set_xlim(0, max(sizes) * 1.08)
    axes.set_xlabel("input, megapixels")
    axes.set_ylabel("peak above the loaded runtime, MB")
    axes.set_title("Memory against size")
    axes.legend(frameon=False, loc="upper left")


PLOTS = {"speed": (bars, (7.6, 3.0)), "rate": (rate, (6.0, 3.8)), "memory": (memory, (6.0, 3.8))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "results",
        type=Path,
        nargs="+",
        help="files that --benchmark-json wrote; the last one that has a benchmark counts",
    )
    parser.add_argument("folder", type=Path, help="where the PNG files go")
    arguments = parser.parse_args()
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in arguments.results]
    by_name = {each["fullname"]: each for run in runs for each in targets.finished(run)}
    results = {"benchmarks": list(by_name.values())}
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    for name, (draw, size) in PLOTS.items():
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        draw(axes, results)
        figure.savefig(arguments.folder / f"{name}.png", dpi=150)
        plt.close(figure)


if __name__ == "__main__":
    main()
