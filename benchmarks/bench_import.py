"""How long does `import tilewright` take in a fresh process, and how long until its names are there?"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from turns import InTurns

# They take longer than all the rest, and must not be loaded before they are needed.
HEAVY = ("onnx", "onnxruntime", "openvino", "pyvips", "PIL")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


STATEMENTS = {
    "tilewright": "import tilewright",
    "first name": "from tilewright import upscale",
    "numpy": "import numpy",
}


@pytest.mark.parametrize("what", STATEMENTS)
def bench_import(benchmark: BenchmarkFixture, in_turns: InTurns, what: str) -> None:
    statement = STATEMENTS[what]
    loaded = python(f"{statement}\nimport sys; print(*sys.modules)").split()
    assert statement.split()[1] in loaded
    assert not set(HEAVY) & set(loaded)

    benchmark.group = "import, fresh process"
    in_turns(
        lambda _: python(statement),
        label=statement,
        against=lambda _: python("pass"),
        named="python -c pass",
        rounds=20,
    )
