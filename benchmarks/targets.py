"""The performance targets, and the figures of a run for each of them; `table` prints them.

Benchmarks are found by file, function name and parameters, as stored in the result file. Renaming a
benchmark therefore makes its old results unreadable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Benchmark = dict[str, Any]
Results = dict[str, Any]


class NotMeasuredError(Exception):
    """The run lacks a benchmark: it was restricted to some, or an optional package is not installed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured figure.

    Attributes:
        text: The figure with its quartiles.
        met: Whether its median meets the target.
    """

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table.

    Attributes:
        quantity: What is measured.
        wanted: The target.
        measure: Takes the figure from the results of a run; raises `NotMeasuredError`.
    """

    quantity: str
    wanted: str
    measure: Callable[[Results], Measured]


def finished(results: Results) -> list[Benchmark]:
    """Returns the benchmarks of a run, without one that was interrupted."""
    return [each for each in results["benchmarks"] if {"ratio", "memory_above"} & set(each["extra_info"])]


def find(results: Results, pattern: str) -> Benchmark:
    """Returns the first benchmark whose file and name match a regular expression.

    Raises:
        NotMeasuredError: There is none.
    """
    for benchmark in finished(results):
        if re.search(pattern, benchmark["fullname"]):
            return dict(benchmark)
    raise NotMeasuredError


def format_quartiles(values: dict[str, float], *, form: str = "{:.2f}", unit: str = "", inverse: bool = False) -> str:
    """Formats a median, with the first and third quartile in brackets.

    Args:
        values: ``median``, ``q1`` and ``q3``.
        form: Format of each value.
        unit: Text after the median.
        inverse: Format the reciprocal values.
    """
    if inverse:
        values = {"median": 1 / values["median"], "q1": 1 / values["q3"], "q3": 1 / values["q1"]}
    median, q1, q3 = (form.format(values[key]) for key in ("median", "q1", "q3"))
    return f"{median}{unit} ({q1}–{q3})"


def _ratio_at_most(pattern: str, limit: float) -> Callable[[Results], Measured]:
    def measure(results: Results) -> Measured:
        ratio = find(results, pattern)["extra_info"]["ratio"]
        return Measured(format_quartiles(ratio), ratio["median"] <= limit)

    return measure


def _speed_up_over(peer: str, least: float) -> Callable[[Results], Measured]:
    """Speed-up from file to file, and that over the peer's time without its decoder and encoder."""

    def measure(results: Results) -> Measured:
        benchmark = find(results, rf"bench_against\[{peer}\]")
        info = benchmark["extra_info"]
        gain = 1 / info["ratio"]["median"]
        without_files = info["compared_stages"]["pixels"]["median"] / benchmark["stats"]["median"]
        total = format_quartiles(info["ratio"], unit=" ×", inverse=True)
        return Measured(f"{total}; {without_files:.2f} × excluding its file I/O", gain >= least)

    return measure


def _kernel(pattern: str, parameters: str) -> Callable[[Results], Measured]:
    """Speed as a share of memcpy's, and over naive NumPy: the quotient of their ratios to memcpy."""

    def measure(results: Results) -> Measured:
        isa = results["machine_info"]["isa"]
        own = find(results, rf"{pattern}\[{parameters}{isa}\]")["extra_info"]["ratio"]
        naive = find(results, rf"{pattern}\[{parameters}obvious NumPy\]")["extra_info"]["ratio"]
        share, gain = 1 / own["median"], naive["median"] / own["median"]
        text = f"{format_quartiles(own, form='{:.0%}', inverse=True)} of memcpy, {gain:.0f} × naive NumPy"
        return Measured(text, share >= 0.60 and gain >= 10)

    return measure


def _feathered_blend(results: Results) -> Measured:
    ratio = find(results, rf"bench_feathered_tiles\[{results['machine_info']['isa']}\]")["extra_info"]["ratio"]
    return Measured(f"{format_quartiles(ratio, form='{:.0%}', inverse=True)} of memcpy", 1 / ratio["median"] >= 0.60)


def _redundancy(results: Results) -> Measured:
    by_megapixels = {
        info["megapixels"]: info["report"]["redundancy"]
        for info in (find(results, rf"bench_memory\[{side}\]")["extra_info"] for side in (1024, 2048, 4096))
    }
    text = ", ".join(f"{value:.3f} at {size:.0f} MP" for size, value in by_megapixels.items())
    return Measured(text, max(by_megapixels.values()) <= 1.10)


def _png_encoder(results: Results) -> Measured:
    info = find(results, r"bench_encoder\[Pillow's default\]")["extra_info"]
    size, gain = info["size_ratio"], 1 / info["ratio"]["median"]
    text = f"{format_quartiles(info['ratio'], form='{:.1f}', unit=' ×', inverse=True)} faster, {size:.3f} × the size"
    return Measured(text, gain >= 12 and size <= 1.05)


def _png_overlap(results: Results) -> Measured:
    benchmark = find(results, "bench_over_the_bare_network")
    share = benchmark["extra_info"]["stages"]["encode"] / benchmark["stats"]["median"]
    return Measured(f"{share:.1%}", share <= 0.05)


def _memory(results: Results) -> Measured:
    above = find(results, r"bench_memory\[4096\]")["extra_info"]["memory_above"] / 1e6
    return Measured(f"{above:.0f} MB", above <= 600)


def _throughput(results: Results) -> Measured:
    arrays, tasks = (find(results, f"bench_{what}")["extra_info"]["ratio"] for what in ("arrays", "tasks"))
    text = (
        f"{format_quartiles(arrays, inverse=True)} from array to array, "
        f"{format_quartiles(tasks, inverse=True)} as tasks from PNG to PNG"
    )
    return Measured(text, 1 / max(arrays["median"], tasks["median"]) >= 0.9)


def _import_time(results: Results) -> Measured:
    """Time to import the module, which is the target, and to import a function from it."""
    module, function, numpy = (
        {key: value * 1e3 for key, value in find(results, rf"bench_import\[{what}\]")["extra_info"]["added"].items()}
        for what in ("tilewright", "upscale", "numpy")
    )
    text = (
        f"{format_quartiles(module, form='{:.0f}', unit=' ms')}; `from tilewright import upscale` "
        f"{format_quartiles(function, form='{:.0f}', unit=' ms')}, of which NumPy {numpy['median']:.0f}"
    )
    return Measured(text, module["median"] < 100)


_KERNEL_TARGET = "≥ 60% of memcpy, ≥ 10 × naive NumPy"

TARGETS = (
    Target(
        "array to array, 1 MP × 4, relative to the bare network",
        "≤ 1.05",
        _ratio_at_most(r"bench_upscale_array\[1024\]", 1.05),
    ),
    Target(
        "JPEG to PNG, 1 MP × 4, relative to the bare network",
        "≤ 1.15",
        _ratio_at_most("bench_over_the_bare_network", 1.15),
    ),
    Target(
        "JPEG to PNG, 1 MP × 4, relative to the native engine alone",
        "≤ 1.10",
        _ratio_at_most("bench_over_the_engine", 1.10),
    ),
    Target("JPEG to PNG, against ncnn", "≥ 1.5 × faster", _speed_up_over("ncnn", 1.5)),
    Target("JPEG to PNG, against the onnxruntime script", "≥ 2.5 × faster", _speed_up_over("onnxruntime script", 2.5)),
    Target("JPEG to PNG, against torch in bf16", "≥ 1.6 × faster", _speed_up_over("torch bf16", 1.6)),
    Target("redundancy at the default memory budget", "≤ 1.10", _redundancy),
    Target("gather, uint8 to float32", _KERNEL_TARGET, _kernel("bench_gather", "uint8-float32-")),
    Target("blend, float16 to uint8", _KERNEL_TARGET, _kernel("bench_one_tile", "uint8-float16-")),
    Target("blend, float32 to uint8", _KERNEL_TARGET, _kernel("bench_one_tile", "uint8-float32-")),
    Target("blend with pixel shuffle, float16 to uint8", _KERNEL_TARGET, _kernel("bench_tail", "")),
    Target("blend of feathered tiles, float32 to uint8", "≥ 60% of memcpy", _feathered_blend),
    Target("PNG encoder, against Pillow's default", "≥ 12 × faster, ≤ 1.05 × the size", _png_encoder),
    Target("PNG encoding outside the network's run time, share of the total", "≤ 5%", _png_overlap),
    Target("peak memory, 16 MP × 4 to PNG, above the loaded runtime", "≤ 600 MB", _memory),
    Target("64 pictures of 128²: throughput relative to the bare network", "≥ 0.9", _throughput),
    Target("`import tilewright`, in addition to `python -c pass`", "< 100 ms", _import_time),
)


def rows(results: Results) -> list[str]:
    """Returns the targets of a run as a Markdown table."""
    lines = ["| quantity | target | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        try:
            measured = target.measure(results)
        except NotMeasuredError:
            lines.append(f"| {target.quantity} | {target.wanted} | not measured | |")
            continue
        verdict = "met" if measured.met else "**MISSED**"
        lines.append(f"| {target.quantity} | {target.wanted} | {measured.text} | {verdict} |")
    return lines
