"""What `import tilewright` costs and offers."""

from __future__ import annotations

import subprocess
import sys

import tilewright

HEAVY = ("onnxruntime", "openvino", "onnx", "pyvips", "fsspec", "PIL", "rich")


def test_import_loads_neither_a_runtime_nor_a_codec():
    code = f"import sys, tilewright; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_public_names_are_the_ones_that_are_said():
    public = {name for name in vars(tilewright) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(tilewright, name)).__name__ == "module"}
    assert public - modules == set(tilewright.__all__)
    assert tilewright.__all__ == sorted(tilewright.__all__)
