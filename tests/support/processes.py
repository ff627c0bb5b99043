"""Child processes of tests."""

from __future__ import annotations

import os
from pathlib import Path

import tilewright


def subprocess_environment() -> dict[str, str]:
    """Returns the environment in which a child process imports the same tilewright."""
    package = Path(tilewright.__file__).resolve().parents[1]
    # An empty entry would be the working directory.
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}
