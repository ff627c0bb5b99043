"""Draws the results of one or more runs for the documentation.

python benchmarks/plots.py benchmarks/results/cpu.json docs/images
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt

import table
import targets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Results = dict[str, Any]

_OWN, _OTHER, _FILES = "#1f6f8b", "#9aa5ad", "#d5dadd"

# Samples per megapixel of input: a result of 4 × 4 the pixels, with three channels of one byte.
_RESULT_MB_PER_MEGAPIXEL = 4 * 4 * 3


def _all_of(results: Results, name: str) -> list[dict[str, Any]]:
    return [benchmark for benchmark in targets.finished(results) if f"::{name}" in benchmark["fullname"]]


def draw_speed(axes: Axes, results: Results) -> None:
    """Draws seconds from file to file, as bars; whiskers show the first and third quartile."""
    benchmarks = _all_of(results, "bench_against[")
    # Every peer has been interleaved with its own runs of tilewright. The bar uses a run that is
    # none of these.
    own = _all_of(results, "bench_over_the_bare_network")[0]["stats"]
    bars = [("tilewright", own["median"], 0.0, own["q1"], own["q3"])]
    for benchmark in sorted(benchmarks, key=lambda benchmark: benchmark["extra_info"]["compared"]["median"]):
        info = benchmark["extra_info"]
        compared = info["compared"]
        total, pixels = compared["median"], info["compared_stages"]["pixels"]["median"]
        bars.append((table.display_name(info["compared_with"]), pixels, total - pixels, compared["q1"], compared["q3"]))
    bars.reverse()
    for position, (name, pixels, files, q1, q3) in enumerate(bars):
        axes.barh(position, pixels, color=_OWN if name == "tilewright" else _OTHER, height=0.62)
        axes.barh(position, files, left=pixels, color=_FILES, height=0.62)
        total = pixels + files
        whiskers = [[max(total - q1, 0)], [max(q3 - total, 0)]]
        axes.errorbar(total, position, xerr=whiskers, color="black", capsize=3, lw=1)
        axes.annotate(f"{total:.1f} s", (max(total, q3), position), (7, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), [bar[0] for bar in bars])
    axes.set_xlim(0, max(pixels + files for _, pixels, files, _, _ in bars) * 1.12)
    axes.set_xlabel("seconds; light: file I/O by Pillow")
    axes.set_title("1-megapixel JPEG to 17-megapixel PNG")


def draw_rate(axes: Axes, results: Results) -> None:
    """Draws input pixels per second against input size, for tilewright and the bare network."""
    benchmarks = sorted(
        _all_of(results, "bench_upscale_array["), key=lambda benchmark: benchmark["extra_info"]["megapixels"]
    )
    sizes = [benchmark["extra_info"]["megapixels"] for benchmark in benchmarks]
    for label, colour, quartiles in (
        ("bare network", _OTHER, [benchmark["extra_info"]["compared"] for benchmark in benchmarks]),
        ("tilewright, array to array", _OWN, [benchmark["stats"] for benchmark in benchmarks]),
    ):
        median, low, high = (
            [size * 1e3 / values[key] for size, values in zip(sizes, quartiles, strict=True)]
            for key in ("median", "q3", "q1")
        )
        below = [m - value for m, value in zip(median, low, strict=True)]
        above = [value - m for m, value in zip(median, high, strict=True)]
        axes.errorbar(sizes, median, yerr=[below, above], marker="o", capsize=4, color=colour, label=label)
    files = _all_of(results, "bench_memory[")
    sizes = [benchmark["extra_info"]["megapixels"] for benchmark in files]
    seconds = [benchmark["extra_info"]["report"]["totalSeconds"] for benchmark in files]
    rates = [size * 1e3 / second for size, second in zip(sizes, seconds, strict=True)]
    axes.plot(sizes, rates, marker="s", color=_OWN, ls="--", label="tilewright, JPEG to PNG")
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes.set_ylim(0)
    axes.set_xlabel("input, megapixels")
    axes.set_ylabel("thousand input pixels per second")
    axes.set_title("Throughput against size")
    axes.legend(frameon=False, loc="lower right")


def draw_memory(axes: Axes, results: Results) -> None:
    """Draws peak memory and the size of the result's pixels against input size."""
    files = _all_of(results, "bench_memory[")
    sizes = [benchmark["extra_info"]["megapixels"] for benchmark in files]
    above = [benchmark["extra_info"]["memory_above"] / 1e6 for benchmark in files]
    pixels = [size * _RESULT_MB_PER_MEGAPIXEL for size in sizes]
    axes.plot(sizes, above, marker="o", color=_OWN, label="tilewright, JPEG to PNG")
    axes.plot(sizes, pixels, color=_OTHER, ls="--", label="pixels of the result alone")
    for size, value in zip(sizes, above, strict=True):
        axes.annotate(f"{value:.0f} MB", (size, value), (0, 8), textcoords="offset points", ha="center")
    axes.set_ylim(0, max(max(above) * 1.15, max(pixels) * 1.08))
    axes.set_xlim(0, max(sizes) * 1.08)
    axes.set_xlabel("input, megapixels")
    axes.set_ylabel("peak above the loaded runtime, MB")
    axes.set_title("Memory against size")
    axes.legend(frameon=False, loc="upper left")


# File name → function and size in inches.
_PLOTS = {"speed": (draw_speed, (7.6, 3.0)), "rate": (draw_rate, (6.0, 3.8)), "memory": (draw_memory, (6.0, 3.8))}


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "results",
        type=Path,
        nargs="+",
        help="files written with --benchmark-json; of a benchmark in several files the last counts",
    )
    parser.add_argument("folder", type=Path, help="output folder of the PNG files")
    arguments = parser.parse_args()
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in arguments.results]
    by_name = {each["fullname"]: each for run in runs for each in targets.finished(run)}
    results = {"benchmarks": list(by_name.values())}
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    for name, (draw, size) in _PLOTS.items():
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        draw(axes, results)
        figure.savefig(arguments.folder / f"{name}.png", dpi=150)
        plt.close(figure)


if __name__ == "__main__":
    main()
