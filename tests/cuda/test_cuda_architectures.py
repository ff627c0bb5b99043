"""Tests of cmake/TilewrightCudaArchitectures.cmake, with stand-ins for `nvidia-smi`."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from support.paths import ROOT

CMAKE = shutil.which("cmake")
pytestmark = pytest.mark.skipif(CMAKE is None, reason="needs cmake")


def architectures(folder, choice, nvidia_smi):
    """Returns what CMake chooses where `nvidia-smi` is this shell script, or is missing if the script is None."""
    if nvidia_smi is not None:
        tool = folder / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{nvidia_smi}\n")
        tool.chmod(0o755)
    script = folder / "choose.cmake"
    script.write_text(
        f'include("{ROOT}/cmake/TilewrightCudaArchitectures.cmake")\n'
        f'tilewright_cuda_architectures({choice} chosen)\nmessage("${{chosen}}")\n'
    )
    done = subprocess.run(
        [CMAKE, "-P", str(script)], env=os.environ | {"PATH": str(folder)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ("8.0", "80-real"),
        ("8.7", "86-real"),
        ("9.0", "90-real"),
        ("12.1", "120-real"),
        ("8.9\n8.9\n12.0", "89-real;120-real"),
        ("7.5", "80"),
        ("10.0", "80"),
    ],
)
def test_compiles_for_the_devices_of_this_machine(tmp_path, capabilities, expected):
    assert architectures(tmp_path, "AUTO", f"echo '{capabilities}'") == expected


@pytest.mark.parametrize("nvidia_smi", [None, "echo 'driver/library version mismatch: 570.1'; exit 18"])
def test_without_a_device_the_code_runs_on_all_devices(tmp_path, nvidia_smi):
    assert architectures(tmp_path, "AUTO", nvidia_smi) == "80"


def test_all_architectures_on_request(tmp_path):
    assert architectures(tmp_path, "ALL", "echo 9.0") == "80;86-real;89-real;90-real;120-real"
