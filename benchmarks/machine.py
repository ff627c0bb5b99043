"""Describes hardware and software of a run, but nothing that identifies machine or user."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tilewright import Settings, _core

_PACKAGES = ("tilewright", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "ncnn", "torch", "pillow", "isal")
_GENERAL = ("system", "machine", "python_implementation", "python_version")
# Names of pytest-benchmark → names in the results.
_CPU = {"brand_raw": "name", "family": "family", "model": "model", "stepping": "stepping", "count": "count"}


def describe(generated: dict[str, Any]) -> dict[str, Any]:
    """Selects from pytest-benchmark's machine info; adds instruction sets, compiler and versions."""
    cpu = {name: generated["cpu"].get(key) for key, name in _CPU.items()}
    return {key: generated[key] for key in _GENERAL} | {
        "cpu": cpu,
        "usable_cpus": Settings.from_environment({}).threads,
        "isas": _core.available_isas(),
        "isa": _core.default_isa(),
        "compiler": _compiler(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Returns the versions of the installed packages that can affect a result."""
    return {name: found for name in _PACKAGES if (found := _version(name))}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _compiler() -> str | None:
    """Compiler of the kernels, from the note of GCC or Clang in the binary; `None` without one."""
    note = re.search(rb"(GCC: \([^\0]*|clang version [^\0]*)", Path(_core.__file__).read_bytes())
    return note[0].decode(errors="replace") if note else None
