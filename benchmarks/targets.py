"""The targets, and what a run says of each: `table.py` prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Benchmark = dict[str, Any]
Results = dict[str, Any]


class NotMeasuredError(Exception):
    """The run has not what a row needs: it was narrowed down, or something optional is not installed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure with its quartiles, written out, and whether it meets its target by its median."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table."""

    what: str
    wanted: str
    measure: Callable[[Results], Measured]


def finished(results: Results) -> list[Benchmark]:
    """All but one that a run was stopped in the middle of."""
    return [each for each in results["benchmarks"] if {"ratio", "memory_above"} & set(each["extra_info"])]


def find(results: Results, pattern: str) -> Benchmark:
    """The benchmark whose file and name match a regular expression."""
    for benchmark in finished(results):
        if re.search(pattern, benchmark["fullname"]):
            return dict(benchmark)
    raise NotMeasuredError


def spread(values: dict[str, float], *, form: str = "{:.2f}", unit: str = "", inverse: bool = False) -> str:
    if inverse:
        values = {"median": 1 / values["median"], "q1": 1 / values["q3"], "q3": 1 / values["q1"]}
    median, q1, q3 = (form.format(values[key]) for key in ("median", "q1", "q3"))
    return f"{median}{unit} ({q1}–{q3})"


def ratio_at_most(pattern: str, most: float) -> Callable[[Results], Measured]:
    def measure(results: Results) -> Measured:
        ratio = find(results, pattern)["extra_info"]["ratio"]
        return Measured(spread(ratio), ratio["median"] <= most)

    return measure


def faster_by(peer: str, least: float) -> Callable[[Results], Measured]:
    """Times faster than a peer, from file to file; and than its part between decoder and encoder, for what it is."""

    def measure(results: Results) -> Measured:
        benchmark = find(results, rf"bench_against\[{peer}\]")
        info = benchmark["extra_info"]
        gain = 1 / info["ratio"]["median"]
        alone = info["compared_stages"]["pixels"]["median"] / benchmark["stats"]["median"]
        text = f"{spread(info['ratio'], unit=' ×', inverse=True)}; {alone:.2f} × were its files free"
        return Measured(text, gain >= least)

    return measure


def kernel(pattern: str, labels: str) -> Callable[[Results], Measured]:
    """Speed in parts of memcpy's, and times the obvious NumPy, both by way of what each was timed in turns with."""

    def measure(results: Results) -> Measured:
        ours = find(results, rf"{pattern}\[{labels}{results['machine_info']['isa']}\]")["extra_info"]["ratio"]
        obvious = find(results, rf"{pattern}\[{labels}obvious NumPy\]")["extra_info"]["ratio"]
        share, gain = 1 / ours["median"], obvious["median"] / ours["median"]
        text = f"{spread(ours, form='{:.0%}', inverse=True)} of memcpy, {gain:.0f} × NumPy"
        return Measured(text, share >= 0.60 and gain >= 10)

    return measure


def feathered(results: Results) -> Measured:
    ratio = find(results, rf"bench_feathered_tiles\[{results['machine_info']['isa']}\]")["extra_info"]["ratio"]
    return Measured(f"{spread(ratio, form='{:.0%}', inverse=True)} of memcpy", 1 / ratio["median"] >= 0.60)


def redundancy(results: Results) -> Measured:
    found = {
        info["megapixels"]: info["report"]["redundancy"]
        for info in (find(results, rf"bench_memory\[{side}\]")["extra_info"] for side in (1024, 2048, 4096))
    }
    text = ", ".join(f"{value:.3f} at {size:.0f} MP" for size, value in found.items())
    return Measured(text, max(found.values()) <= 1.10)


def png(results: Results) -> Measured:
    info = find(results, r"bench_encoder\[Pillow's default\]")["extra_info"]
    size, gain = info["size_ratio"], 1 / info["ratio"]["median"]
    text = f"{spread(info['ratio'], form='{:.1f}', unit=' ×', inverse=True)} at {size:.3f} × its size"
    return Measured(text, gain >= 12 and size <= 1.05)


def png_hidden(results: Results) -> Measured:
    benchmark = find(results, "bench_over_the_bare_network")
    share = benchmark["extra_info"]["stages"]["encode"] / benchmark["stats"]["median"]
    return Measured(f"{share:.1%} of the time is spent on it while nothing else runs", share <= 0.05)


def memory(results: Results) -> Measured:
    above = find(results, r"bench_memory\[4096\]")["extra_info"]["memory_above"] / 1e6
    return Measured(f"{above:.0f} MB", above <= 600)


def rate(results: Results) -> Measured:
    arrays, tasks = (find(results, f"bench_{what}")["extra_info"]["ratio"] for what in ("arrays", "tasks"))
    text = (
        f"{spread(arrays, inverse=True)} from array to array, {spread(tasks, inverse=True)} as tasks, from PNG to PNG"
    )
    return Measured(text, 1 / max(arrays["median"], tasks["median"]) >= 0.9)


def import_time(results: Results) -> Measured:
    """Of the module; then until its names are there, which is no part of the target."""
    added, first, numpy = (
        {key: value * 1e3 for key, value in find(results, rf"bench_import\[{what}\]")["extra_info"]["added"].items()}
        for what in ("tilewright", "first name", "numpy")
    )
    text = (
        f"{spread(added, form='{:.0f}', unit=' ms')}; until its first name is there "
        f"{spread(first, form='{:.0f}', unit=' ms')}, of which NumPy {numpy['median']:.0f}"
    )
    return Measured(text, added["median"] < 100)


TARGETS = (
    Target(
        "array to array, 1 MP × 4, over the bare network",
        "≤ 1.05",
        ratio_at_most(r"bench_upscale_array\[1024\]", 1.05),
    ),
    Target(
        "JPEG to PNG, 1 MP × 4, over the bare network", "≤ 1.15", ratio_at_most("bench_over_the_bare_network", 1.15)
    ),
    Target("JPEG to PNG, against ncnn", "≥ 1.5 × faster", faster_by("ncnn", 1.5)),
    Target("JPEG to PNG, against the onnxruntime script", "≥ 2.5 × faster", faster_by("onnxruntime script", 2.5)),
    Target("JPEG to PNG, against torch in bf16", "≥ 1.6 × faster", faster_by("torch bf16", 1.6)),
    Target("redundancy, default memory budget", "≤ 1.10", redundancy),
    Target("gather, 8 bits to float32", "≥ 60% of memcpy, ≥ 10 × NumPy", kernel("bench_gather", "uint8-float32-")),
    Target("blend, float16 to 8 bits", "likewise", kernel("bench_one_tile", "uint8-float16-")),
    Target("blend, float32 to 8 bits", "likewise", kernel("bench_one_tile", "uint8-float32-")),
    Target("blend with pixel shuffle, float16 to 8 bits", "likewise", kernel("bench_tail", "")),
    Target("blend of feathered tiles, float32 to 8 bits", "≥ 60% of memcpy", feathered),
    Target("PNG, against Pillow's default", "≥ 12 × faster, ≤ 1.05 × its size", png),
    Target("PNG behind the network", "hidden", png_hidden),
    Target("memory, 16 MP × 4 to PNG, above the loaded runtime", "≤ 600 MB", memory),
    Target("64 pictures of 128²: part of the bare network's rate", "≥ 0.9", rate),
    Target("`import tilewright`, over `python -c pass`", "< 100 ms", import_time),
)


def rows(results: Results) -> list[str]:
    lines = ["| what | target | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        try:
            measured = target.measure(results)
        except NotMeasuredError:
            lines.append(f"| {target.what} | {target.wanted} | not measured | |")
            continue
        lines.append(
            f"| {target.what} | {target.wanted} | {measured.text} | {'met' if measured.met else '**MISSED**'} |"
        )
    return lines
