"""Time of `import tilewright` in a fresh process, and of the import of a function from it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from interleaved import Baseline

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer

# Slow to import; they must be loaded only when needed.
HEAVY = ("onnx", "onnxruntime", "openvino", "pyvips", "PIL")

STATEMENTS = {
    "tilewright": "import tilewright",
    "upscale": "from tilewright import upscale",
    "numpy": "import numpy",
}


def run_python(code: str) -> str:
    """Runs code in a fresh interpreter and returns its standard output."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("what", STATEMENTS)
def bench_import(benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, what: str) -> None:
    """An import statement, compared with an empty program."""
    statement = STATEMENTS[what]
    loaded = run_python(f"{statement}\nimport sys; print(*sys.modules)").split()
    assert statement.split()[1] in loaded
    assert not set(HEAVY) & set(loaded)

    benchmark.group = "import, fresh process"
    time_interleaved(
        lambda _: run_python(statement),
        label=statement,
        baseline=Baseline("python -c pass", lambda _: run_python("pass")),
        rounds=20,
    )
