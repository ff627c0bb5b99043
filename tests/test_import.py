"""The modules that `import tilewright` loads, and the public names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import tilewright

HEAVY = ("asyncio", "onnxruntime", "openvino", "onnx", "pyvips", "isal", "fsspec", "PIL", "rich")


def test_import_loads_neither_a_runtime_nor_a_codec():
    code = f"import sys; from tilewright import *; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_testing_loads_neither_a_runtime_nor_onnx():
    code = "import sys, tilewright.testing; print({'onnx', 'onnxruntime', 'openvino'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_runtimes_send_no_telemetry(tmp_path):
    """They would store an identifier in the user's folders. CI must not be set, because it disables telemetry too."""
    code = (
        "import sys, numpy, tilewright, tilewright.cli\n"
        "tilewright.Upscaler(device='cpu').upscale_array(numpy.zeros((8, 8, 3), numpy.uint8), 2)\n"
        "assert tilewright.cli.main(['info']) == 0\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
    )
    inherited = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
    environment = {name: os.environ[name] for name in inherited if name in os.environ}
    (tmp_path / "temporary").mkdir()
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "temporary")}
    environment["TILEWRIGHT_CACHE_DIR"] = str(tmp_path / "cache")
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
    left = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"cache"}


def test_public_names_are_exactly_those_in_all():
    assert {name for name in dir(tilewright) if not name.startswith("_")} == set(tilewright.__all__)
    assert tilewright.__all__ == sorted(tilewright.__all__)


def test_names_are_loaded_at_first_use():
    code = (
        "import sys, tilewright\n"
        "assert 'numpy' not in sys.modules\n"
        "import tilewright.models.catalog\n"
        "from tilewright import *\n"
        "assert all(globals()[name] is getattr(tilewright, name) for name in tilewright.__all__)\n"
        "assert not hasattr(tilewright, 'downscale')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_old_name_of_list_models_is_deprecated():
    """`models` is also the name of a package, which may be imported before or after."""
    with pytest.warns(DeprecationWarning, match="list_models"):
        assert tilewright.models() == tilewright.list_models()
    code = "import tilewright.models.catalog, tilewright; assert tilewright.models()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
