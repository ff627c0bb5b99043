"""Enlarges one file in a process of its own, and says as JSON what memory and time that took.

python benchmarks/enlarge_alone.py SOURCE TARGET.png
"""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path

import subject
from tilewright.codecs.decode import decode

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Most bytes of memory resident since `forget_peak`.

    The kernel's own account where there is one: what `getrusage` tells holds over `exec`, so that a process starts
    with the peak of the one that started it.
    """
    if STATUS.exists():
        return int(re.findall(r"VmHWM:\s+(\d+)", STATUS.read_text())[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """Lets the peak be what is resident now, where the kernel allows that."""
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    with subject.opened() as upscaler:
        upscaler.session(factor=subject.FACTOR)
        forget_peak()
        loaded = peak_memory()
        report = upscaler.new_report()
        with report.stage("decode"):
            picture = decode(source.read_bytes())
        with target.open("wb") as file:
            upscaler.upscale_to_file(picture, subject.FACTOR, file, "PNG", report=report)
    print(json.dumps({"loaded": loaded, "above": peak_memory() - loaded, "report": report.facts()}))


if __name__ == "__main__":
    main()
