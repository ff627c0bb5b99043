"""Prints the results of `gpu.sh` as a Markdown table.

python -m gpu.table [FILE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gpu.harness import RESULTS
from gpu.roofline import Work


def lines(results: dict[str, Any]) -> list[str]:
    """Returns a line with the device, and a table with a row for each figure."""
    machine, sections = results["machine"], results["sections"]
    smoke = " (a smoke run: these figures are not measurements)" if results["smoke"] else ""
    rows = [
        f"{machine['device']}, driver {machine['driver']}, ONNX Runtime {_runtime(machine)}{smoke}",
        "",
        "| quantity | measured | |",
        "|---|---|---|",
    ]
    ceilings = sections.get("ceilings", {})
    rows += _ceiling_rows(ceilings)
    rows += [_kernel_row(row, ceilings) for row in sections.get("kernels", [])]
    for name, found in sections.get("networks", {}).items():
        rows += _network_rows(name, found, ceilings)
    for name, found in sections.get("runtime", {}).items():
        rows += _runtime_rows(name, found)
    for name, found in sections.get("files", {}).items():
        rows += [_file_row(name, row) for row in found]
    return rows


def _runtime(machine: dict[str, Any]) -> str:
    versions = machine["versions"]
    return str(versions.get("onnxruntime-gpu") or versions.get("onnxruntime"))


def _format_quartiles(values: dict[str, float], unit: str) -> str:
    return f"{values['median']:.3g} {unit} ({values['q1']:.3g}–{values['q3']:.3g})"


def _ceiling_rows(found: dict[str, Any]) -> list[str]:
    rows = [
        f"| transfer from pinned memory, {name.replace('_', ' ')} | {row['gb_per_s']:.1f} GB/s | |"
        for name, row in found.get("link", {}).items()
    ]
    if "copy" in found:
        rows.append(f"| copy on the device | {found['copy']['gb_per_s']:.0f} GB/s | |")
        rows.append(f"| matrix product, fp16 | {found['matmul']['tflop_per_s']:.0f} TFLOP/s | |")
    for row in found.get("convolutions", []):
        what = f"cuDNN by PyTorch, {row['inputs']} → {row['outputs']} channels, {row['side']}²"
        rows.append(f"| {what} | {row['tflop_per_s']:.0f} TFLOP/s | {row['gb_per_s']:.0f} GB/s |")
    return rows


def _kernel_row(row: dict[str, Any], ceilings: dict[str, Any]) -> str:
    what = f"{row['kernel']}, {row['from']} → {row['to']}, {row['side']}²"
    share = f"{row['gb_per_s'] / ceilings['copy']['gb_per_s']:.0%} of the copy" if "copy" in ceilings else ""
    return f"| {what} | {row['gb_per_s']:.0f} GB/s | {share} |"


def _network_rows(name: str, found: dict[str, Any], ceilings: dict[str, Any]) -> list[str]:
    work = Work(**found["work"])
    rows = []
    for part in ("sizes", "options", "torch"):
        for row in found.get(part, []):
            what = f"{name}, {row['count']} × {row['side']}², {_implementation(row)}"
            figures = f"{_format_quartiles(row['ms'], 'ms')}, {row['tflop_per_s']:.0f} TFLOP/s"
            rows.append(f"| {what} | {figures} | {_floor(row, work, ceilings)} |")
    return rows


def _implementation(row: dict[str, Any]) -> str:
    if "compiled" in row:
        return "torch.compile" if row["compiled"] else "torch eager"
    options = row["options"]
    return ", ".join(
        [
            f"{options['layout']} in memory",
            f"convolutions in {'NHWC' if options['prefer_nhwc'] else 'NCHW'}",
            "fused bias" if options["fuse_conv_bias"] else "separate bias",
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
    return f"at least {floor:.3g} ms"


def _runtime_rows(name: str, found: dict[str, Any]) -> list[str]:
    rows = [
        f"| {name}, {layout}: nodes | {', '.join(f'{op} {count}' for op, count in nodes.items())} | |"
        for layout, nodes in found["nodes"].items()
    ]
    rows.append(f"| {name}, alternating shapes relative to one shape | {found['plans']['ratio']:.2f} × | |")
    for row in found["accuracy"].values():
        figures = f"{row['decibels']:.1f} dB, at most {row['largest_steps']} steps"
        rows.append(f"| {row['network']}, compared with fp32 on the CPU | {figures} | |")
    return rows


def _file_row(name: str, row: dict[str, Any]) -> str:
    rate = row["megapixels_out"] / row["seconds"]["median"]
    what = f"{name}, {row['pictures']} × {row['side']}² JPG → {row['format']}"
    return f"| {what} | {_format_quartiles(row['seconds'], 's')} | {rate:.0f} MP/s of output |"


def main() -> None:
    """Runs the command."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    print("\n".join(lines(json.loads(path.read_text()))))


if __name__ == "__main__":
    main()
