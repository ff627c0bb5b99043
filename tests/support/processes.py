"""Child processes of tests."""

from __future__ import annotations

import os
from pathlib import Path

import tilewright


def subprocess_environment() -> dict[str, str]:
    """Returns the environment in which a child process imports the same tilewright."""
    package = Path(tilewright.__file__).resolve().parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}
