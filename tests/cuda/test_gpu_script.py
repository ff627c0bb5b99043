"""The script for a machine with a GPU: its steps, and what its figures are compared with."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from support.paths import ROOT
from tilewright.engine.sessions import cuda_problem
from tilewright.engine.sessions.base import parted
from tilewright.models.loader import load_model

SCRIPT = ROOT / "benchmarks" / "gpu.sh"


def gpu(*arguments):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True)


def test_a_dry_run_lists_the_steps_and_runs_nothing(tmp_path):
    results = tmp_path / "gpu.json"
    done = gpu("--dry-run", "--json", str(results), "--wheels", str(tmp_path), "--site", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^== (\S+)$", done.stdout, re.MULTILINE)
    assert steps[:6] == ["machine", "packages", "build", "check", "tests", "memcheck"]
    assert steps[-1] == "table"
    commands = [line for line in done.stdout.splitlines() if not line.startswith("==")]
    assert len(commands) >= len(steps), "each says what it would run"
    assert "TILEWRIGHT_CUDA=ON" in done.stdout
    assert done.stdout.count("compute-sanitizer") == 2
    assert list(tmp_path.iterdir()) == []
    for programme in re.findall(r"-m gpu\.(\w+)", done.stdout):
        assert (SCRIPT.parent / "gpu" / f"{programme}.py").exists()
    for path in re.findall(r"tests/\w+\.py", done.stdout):
        assert (ROOT / path).exists()


def test_steps_can_be_picked():
    assert gpu("--dry-run", "table", "kernels").stdout.splitlines()[0::2] == ["== table", "== kernels"]
    wrong = gpu("--dry-run", "kernel")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no step kernel; the steps are: machine" in wrong.stderr
    assert "--dry-run" in gpu("--help").stderr


def test_without_a_device_nothing_is_measured(tmp_path):
    if cuda_problem() is None:
        pytest.skip("CUDA runs here")
    environment = os.environ | {"PYTHONPATH": f"{SCRIPT.parent}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-m", "gpu.kernels", "--json", str(tmp_path / "gpu.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no device to measure on: " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        # Channels in and out of each convolution, and how many pixels it has for each of the input.
        ("realesr-animevideov3", [(3, 64, 1), *[(64, 64, 1)] * 16, (64, 48, 1)]),
        (
            "realesrgan-x4plus",
            [
                (3, 64, 1),
                *[(64, 32, 1), (96, 32, 1), (128, 32, 1), (160, 32, 1), (192, 64, 1)] * 69,
                *[(64, 64, 1), (64, 64, 4), (64, 64, 16), (64, 64, 16), (64, 3, 16)],
            ],
        ),
    ],
)
def test_the_floor_counts_every_convolution_once(own_cache, monkeypatch, name, layers):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    from gpu.roofline import Work, work_of

    head, _ = parted(load_model(name, 4, cache_dir=own_cache))
    work = work_of(head)
    assert work.bytes_fused == sum(2 * (inputs + outputs) * pixels for inputs, outputs, pixels in layers)
    products = sum(2 * 9 * inputs * outputs * pixels for inputs, outputs, pixels in layers)
    assert products < work.flops < 1.03 * products, "biases and activations are little"
    assert Work(2e6, 1e3).floor_ms(10**6, tflop_per_s=1000, gb_per_s=1000) == pytest.approx(2.0)
    assert Work(2e6, 5e3).floor_ms(10**6, tflop_per_s=1000, gb_per_s=1000) == pytest.approx(5.0)


@pytest.mark.skipif(cuda_problem() is None, reason="a step that can run here takes long")
def test_a_step_that_fails_does_not_keep_the_others_from_running(tmp_path):
    """Here there is no device to measure on, and no figure to print."""
    done = gpu("--json", str(tmp_path / "none.json"), "--python", sys.executable, "kernels", "table")
    assert [line for line in done.stdout.splitlines() if line.startswith("==")] == ["== kernels", "== table"]
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "failed: kernels table")
    done = gpu("--json", str(tmp_path / "none.json"), "--python", sys.executable, "check", "table")
    assert "== table" not in done.stdout, "nothing can be measured"
