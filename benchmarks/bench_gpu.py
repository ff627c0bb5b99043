"""Smoke test of the GPU benchmarks on the emulated device; `gpu.sh` runs them on a real one."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("module", ["ceilings", "kernels", "networks", "runtime", "files"])
def bench_gpu_module(smoke: bool, module: str, tmp_path: Path) -> None:
    """Runs one module of `gpu` and prints its table."""
    if not smoke:
        pytest.skip("measured by benchmarks/gpu.sh")
    if importlib.util.find_spec("tilewright._cuda_emulated") is None:
        pytest.skip("built without the emulated device")
    results = tmp_path / "gpu.json"
    search_path = [HERE, HERE.parent / "tests", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, search_path))}
    command = [sys.executable, "-m", f"gpu.{module}", "--smoke", "--json", str(results)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(results.read_text())
    assert found["smoke"]
    assert found["sections"][module]
    table = subprocess.run(
        [sys.executable, "-m", "gpu.table", str(results)], env=environment, capture_output=True, text=True
    )
    assert table.returncode == 0, table.stderr
    assert "these figures are not measurements" in table.stdout
    assert table.stdout.count("\n| ") > 1
