"""Smoke test of `server_load.py`, which measures a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

HERE = Path(__file__).resolve().parent


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def bench_server_load(smoke: bool, tmp_path: Path) -> None:
    """Runs a tiny load and prints its table."""
    if not smoke:
        pytest.skip("measured by benchmarks/server_load.py")
    search_path = [HERE.parent / "tests", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, search_path))}
    results = tmp_path / "load.json"
    done = subprocess.run(
        [sys.executable, str(HERE / "server_load.py"), "--smoke", "--json", str(results)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rounds = json.loads(results.read_text())["rounds"]
    assert [(one["outcomes"], one["files_compared"]) for one in rounds] == [({"done": 16}, 16)] * 4
    assert "these figures are not measurements" in done.stdout
