"""Prints the results of `gpu.sh` as a short table.

python -m gpu.table [FILE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gpu.programme import RESULTS
from gpu.roofline import Work


def lines(results: dict[str, Any]) -> list[str]:
    """Markdown: the device, then a row for each figure."""
    machine, sections = results["machine"], results["sections"]
    smoke = " (a smoke run: these are no measurements)" if results["smoke"] else ""
    rows = [
        f"{machine['device']}, driver {machine['driver']}, ONNX Runtime {_runtime(machine)}{smoke}",
        "",
        "| what | measured | |",
        "|---|---|---|",
    ]
    ceilings = sections.get("ceilings", {})
    rows += [*_ceilings(ceilings)]
    rows += [_kernel(row, ceilings) for row in sections.get("kernels", [])]
    for name, found in sections.get("networks", {}).items():
        rows += _networks(name, found, ceilings)
    for name, found in sections.get("questions", {}).items():
        rows += _questions(name, found)
    for name, found in sections.get("files", {}).items():
        rows += [_files(name, row) for row in found]
    return rows


def _runtime(machine: dict[str, Any]) -> str:
    versions = machine["versions"]
    return str(versions.get("onnxruntime-gpu") or versions.get("onnxruntime"))


def _spread(values: dict[str, float], unit: str) -> str:
    return f"{values['median']:.3g} {unit} ({values['q1']:.3g}–{values['q3']:.3g})"


def _ceilings(found: dict[str, Any]) -> list[str]:
    rows = [f"| pinned, {name.replace('_', ' ')} | {row['gb_per_s']:.1f} GB/s | |" for name, row in _link(found)]
    if "copy" in found:
        rows.append(f"| copy on the device | {found['copy']['gb_per_s']:.0f} GB/s | |")
        rows.append(f"| matrix product, fp16 | {found['matmul']['tflop_per_s']:.0f} TFLOP/s | |")
    for row in found.get("convolutions", []):
        what = f"cuDNN by PyTorch, {row['inputs']} → {row['outputs']}, {row['side']}²"
        rows.append(f"| {what} | {row['tflop_per_s']:.0f} TFLOP/s | {row['gb_per_s']:.0f} GB/s |")
    return rows


def _link(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(found.get("link", {}).items())


def _kernel(row: dict[str, Any], ceilings: dict[str, Any]) -> str:
    what = f"{row['kernel']}, {row['from']} → {row['to']}, {row['side']}²"
    share = f"{row['gb_per_s'] / ceilings['copy']['gb_per_s']:.0%} of the copy" if "copy" in ceilings else ""
    return f"| {what} | {row['gb_per_s']:.0f} GB/s | {share} |"


def _networks(name: str, found: dict[str, Any], ceilings: dict[str, Any]) -> list[str]:
    work = Work(**found["work"])
    rows = []
    for kind in ("sizes", "options", "torch"):
        for row in found.get(kind, []):
            what = f"{name}, {row['count']} × {row['side']}², {_how(row)}"
            figures = f"{_spread(row['ms'], 'ms')}, {row['tflop_per_s']:.0f} TFLOP/s"
            rows.append(f"| {what} | {figures} | {_floor(row, work, ceilings)} |")
    return rows


def _how(row: dict[str, Any]) -> str:
    if "compiled" in row:
        return "torch.compile" if row["compiled"] else "torch eager"
    options = row["options"]
    return ", ".join(
        [
            f"{options['layout']} in memory",
            "NHWC" if options["prefer_nhwc"] else "NCHW",
            "bias fused" if options["fuse_conv_bias"] else "bias apart",
            options["algorithm_search"].lower(),
            "graph" if options["graph"] else "no graph",
        ]
    )


def _floor(row: dict[str, Any], work: Work, ceilings: dict[str, Any]) -> str:
    if "copy" not in ceilings:
        return ""
    floor = work.floor_ms(
        row["count"] * row["side"] ** 2,
        tflop_per_s=ceilings["matmul"]["tflop_per_s"] or 1.0,
        gb_per_s=ceilings["copy"]["gb_per_s"] or 1.0,
    )
    return f"floor {floor:.3g} ms"


def _questions(name: str, found: dict[str, Any]) -> list[str]:
    rows = [
        f"| {name}, {layout}: nodes | {', '.join(f'{op} {count}' for op, count in nodes.items())} | |"
        for layout, nodes in found["transposes"].items()
    ]
    rows.append(f"| {name}, shapes that alternate over one shape | {found['plans']['ratio']:.2f} × | |")
    for row in found["agreement"].values():
        figures = f"{row['decibels']:.1f} dB, at most {row['largest_steps']} steps"
        rows.append(f"| {row['ran']}, against the CPU in fp32 | {figures} | |")
    return rows


def _files(name: str, row: dict[str, Any]) -> str:
    rate = row["megapixels_out"] / row["seconds"]["median"]
    what = f"{name}, {row['pictures']} × {row['side']}² JPG → {row['format']}"
    return f"| {what} | {_spread(row['seconds'], 's')} | {rate:.0f} MP/s out |"


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    print("\n".join(lines(json.loads(path.read_text()))))


if __name__ == "__main__":
    main()
