"""Tests of benchmarks/gpu.sh: its steps, and the roofline that its figures are compared with."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from support.paths import ROOT
from tilewright.engine.sessions.cuda_check import cuda_problem
from tilewright.engine.sessions.prepare import split_tail
from tilewright.models.loader import load_model

SCRIPT = ROOT / "benchmarks" / "gpu.sh"


def run_script(*arguments):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True)


def test_dry_run_prints_the_steps_and_runs_nothing(tmp_path):
    results = tmp_path / "gpu.json"
    done = run_script("--dry-run", "--json", str(results), "--wheels", str(tmp_path), "--site", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^== (\S+)$", done.stdout, re.MULTILINE)
    assert steps[:6] == ["machine", "packages", "build", "check", "tests", "memcheck"]
    assert steps[-1] == "table"
    commands = [line for line in done.stdout.splitlines() if not line.startswith("==")]
    assert len(commands) >= len(steps), "every step prints its commands"
    assert "TILEWRIGHT_CUDA=ON" in done.stdout
    assert done.stdout.count("compute-sanitizer") == 2
    assert list(tmp_path.iterdir()) == []
    for module in re.findall(r"-m gpu\.(\w+)", done.stdout):
        assert (SCRIPT.parent / "gpu" / f"{module}.py").exists()
    for path in re.findall(r"tests/\w+\.py", done.stdout):
        assert (ROOT / path).exists()


def test_runs_the_given_steps_in_their_order():
    assert run_script("--dry-run", "table", "kernels").stdout.splitlines()[0::2] == ["== table", "== kernels"]
    wrong = run_script("--dry-run", "kernel")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no step kernel; the steps are: machine" in wrong.stderr
    assert "--dry-run" in run_script("--help").stderr


def test_fails_without_a_device_and_writes_no_results(tmp_path):
    if cuda_problem() is None:
        pytest.skip("CUDA runs here")
    search_path = [SCRIPT.parent, ROOT / "tests", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, search_path))}
    command = [sys.executable, "-m", "gpu.kernels", "--json", str(tmp_path / "gpu.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no device to measure on: " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        # Input channels, output channels and pixels per input pixel of each convolution.
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
def test_work_counts_every_convolution_once(own_cache, monkeypatch, name, layers):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    from gpu.roofline import Work, work_of

    head, _ = split_tail(load_model(name, 4, cache_dir=own_cache))
    work = work_of(head)
    assert work.bytes_fused == sum(2 * (inputs + outputs) * pixels for inputs, outputs, pixels in layers)
    products = sum(2 * 9 * inputs * outputs * pixels for inputs, outputs, pixels in layers)
    assert products < work.flops < 1.03 * products, "biases and activations add little"
    assert Work(2e6, 1e3).floor_ms(10**6, tflop_per_s=1000, gb_per_s=1000) == pytest.approx(2.0)
    assert Work(2e6, 5e3).floor_ms(10**6, tflop_per_s=1000, gb_per_s=1000) == pytest.approx(5.0)


@pytest.mark.skipif(cuda_problem() is None, reason="with a device the steps run, which takes long")
def test_other_steps_run_after_a_failed_one(tmp_path):
    """Without a device `kernels` and `check` fail, and without results `table` does."""
    done = run_script("--json", str(tmp_path / "none.json"), "--python", sys.executable, "kernels", "table")
    assert [line for line in done.stdout.splitlines() if line.startswith("==")] == ["== kernels", "== table"]
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "failed: kernels table")
    done = run_script("--json", str(tmp_path / "none.json"), "--python", sys.executable, "check", "table")
    assert "== table" not in done.stdout, "check is required by later steps"
