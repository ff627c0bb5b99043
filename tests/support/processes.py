"""Child processes of tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tilewright


def subprocess_environment() -> dict[str, str]:
    """Returns the environment in which a child process imports the same tilewright."""
    package = Path(tilewright.__file__).resolve().parents[1]
    # An empty entry would be the working directory.
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def run_program(path, code, *arguments):
    """Writes a program to a file, from which worker processes can import it, and runs it; returns the process."""
    path.write_text(code)
    return subprocess.run(
        [sys.executable, "-W", "ignore", path, *arguments],
        capture_output=True, text=True, timeout=120, check=True, env=subprocess_environment(),
    )  # fmt: skip
