"""Upscales one file in this process, and prints its memory and time as JSON.

python benchmarks/measure_memory.py SOURCE TARGET.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import workload
from tilewright.codecs.decode import decode
from tilewright.engine.memory import peak_memory

_CLEAR_REFS = Path("/proc/self/clear_refs")


def _reset_peak() -> None:
    """Sets the peak to the memory that is resident now, where the kernel allows it (Linux, proc(5))."""
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text("5")


def _peak() -> int:
    peak = peak_memory()
    assert peak is not None, "this platform does not report the peak of resident memory"
    return peak


def main() -> None:
    """Runs the command."""
    source, target = map(Path, sys.argv[1:])
    with workload.open_upscaler() as upscaler:
        upscaler.session(factor=workload.FACTOR)
        _reset_peak()
        loaded = _peak()
        report = upscaler.new_report()
        with report.stage("decode"):
            picture = decode(source.read_bytes())
        with target.open("wb") as file:
            upscaler.upscale_to_file(picture, workload.FACTOR, file, "PNG", report=report)
    print(json.dumps({"loaded": loaded, "above": _peak() - loaded, "report": report.facts()}))


if __name__ == "__main__":
    main()
