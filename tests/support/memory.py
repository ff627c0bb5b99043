"""Memory of this process (Linux)."""

from __future__ import annotations

import gc
import os
from pathlib import Path


def resident_memory():
    """Returns the resident set size of this process in bytes, without garbage."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
