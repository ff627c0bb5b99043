"""Do the programmes for a machine with a GPU still run? `gpu.sh` runs them there; here only the smoke mode does."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("programme", ["ceilings", "kernels", "networks", "questions", "files"])
def bench_programme(smoke: bool, programme: str, tmp_path: Path) -> None:
    if not smoke:
        pytest.skip("measured by benchmarks/gpu.sh")
    if importlib.util.find_spec("tilewright._cuda_emulated") is None:
        pytest.skip("built without the emulated device")
    results = tmp_path / "gpu.json"
    environment = os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent / 'tests'}"}
    command = [sys.executable, "-m", f"gpu.{programme}", "--smoke", "--json", str(results)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(results.read_text())
    assert found["smoke"]
    assert found["sections"][programme]
    table = subprocess.run(
        [sys.executable, "-m", "gpu.table", str(results)], env=environment, capture_output=True, text=True
    )
    assert table.returncode == 0, table.stderr
    assert "these are no measurements" in table.stdout
    assert table.stdout.count("\n| ") > 1
