"""Memory of this process and of this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from tilewright.cgroups import memory_limit

# A program that upscales rarely has its machine to itself. Users can ask for more.
_LARGEST_DEFAULT_BUDGET = 4 * 2**30

# For pictures that would take much longer with less.
_LARGEST_EXTENDED_BUDGET = 16 * 2**30


def peak_memory() -> int | None:
    """Returns the peak resident memory of this process in bytes; None if it is unknown."""
    # Linux first: getrusage() may report the peak of the process that started this one.
    with contextlib.suppress(OSError, StopIteration, ValueError):
        return _kibibytes("/proc/self/status", "VmHWM:")
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def default_memory_budget() -> int:
    """Returns the default memory budget of a picture in bytes.

    It is a quarter of the machine's memory, half of what is available, or 4 GiB, whichever is
    least.
    """
    return min(_LARGEST_DEFAULT_BUDGET, _share_of_memory())


def extended_memory_budget() -> int:
    """Returns the budget in bytes of a picture that would take much longer within the default.

    It is a quarter of the machine's memory, half of what is available, or 16 GiB, whichever is
    least.
    """
    return min(_LARGEST_EXTENDED_BUDGET, _share_of_memory())


def _share_of_memory() -> int:
    """Returns a quarter of the machine's memory or half of what is available, in bytes."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this platform
        return _LARGEST_DEFAULT_BUDGET // 2
    share = min(memory, memory_limit() or memory) // 4
    with contextlib.suppress(OSError, ValueError, StopIteration):
        share = min(share, _kibibytes("/proc/meminfo", "MemAvailable:") // 2)
    return share


def _kibibytes(file: str, name: str) -> int:
    """Returns an entry of a file in /proc, which is in KiB, in bytes."""
    lines = Path(file).read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024
