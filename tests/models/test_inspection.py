"""Inspecting ONNX files in a process of its own: deadline, crashes, and programs that cannot start one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from support.networks import REPEAT, network, resize
from support.processes import subprocess_environment
from tilewright.errors import ModelError
from tilewright.models import inspection, isolated
from tilewright.models.inspect import inspect_onnx, load_onnx
from tilewright.models.inspection import inspect_file
from tilewright.models.loader import load_model, offered_factors

if TYPE_CHECKING:
    from pathlib import Path

SCALES = {"scales": np.array((1, 1, 2, 2), np.float32)}

# The other tests replace it.
own_interpreter = isolated._interpreter


@pytest.fixture(autouse=True)
def in_another_process(monkeypatch):
    monkeypatch.setattr(isolated, "_interpreter", own_interpreter)
    inspection._inspected.cache_clear()


@pytest.fixture
def started(monkeypatch):
    """Records the programs that are started."""
    started = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda command, **options: (started.append(command), run(command, **options))[1]
    )
    return started


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A network that repeats pixels."""
    path = tmp_path / "plain.onnx"
    onnx.save(network([resize("x", "y", "scales", **REPEAT)], SCALES, output_shape=(None,) * 4), path)
    return path


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A network with a loop that never ends."""
    shape, flag = [1, 3, None, None], TensorProto.BOOL
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["in"], ["out"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", flag, []), value("in", TensorProto.FLOAT, shape)],
        [value("on", flag, []), value("out", TensorProto.FLOAT, shape)],
    )
    nodes = [helper.make_node("Loop", ["", "true", "x"], ["a"], body=body), resize("a", "y", "scales", **REPEAT)]
    path = tmp_path / "endless.onnx"
    onnx.save(network(nodes, SCALES | {"true": np.array(True)}, output_shape=(None,) * 4), path)
    return path


def test_another_process_finds_the_same_facts(plain, started):
    given = {"licence": "MIT", "feather": np.int64(3)}
    assert inspect_file(plain, given) == inspect_onnx(plain, load_onnx(plain), given)
    assert len(started) == 1


def test_a_file_is_inspected_once_until_it_changes(plain, tmp_path, started, monkeypatch):
    answer = json.dumps({"result": {"name": "n", "scale": 2}})
    monkeypatch.setattr(isolated, "_PROGRAM", f"print('ready')\nprint('{answer}')")
    assert offered_factors(plain, cache_dir=tmp_path) == (2,)
    load_model(plain, 2, cache_dir=tmp_path)
    load_model(plain, 2, cache_dir=tmp_path)
    assert len(started) == 1
    load_model(plain, 2, cache_dir=tmp_path, overrides={"halo": 3})
    os.utime(plain, ns=(1, 1))
    load_model(plain, 2, cache_dir=tmp_path)
    assert len(started) == 3


def test_endless_loop_ends_at_the_deadline(endless, monkeypatch):
    monkeypatch.setattr(inspection, "DEADLINE", 0.5)
    with pytest.raises(ModelError, match=r"longer than 0.5 seconds; .* give its scale") as caught:
        inspect_file(endless, {})
    assert caught.value.parameter == "model"


def test_errors_come_back_from_the_other_process(tmp_path):
    path = tmp_path / "half.onnx"
    scales = {"scales": np.array((1, 1, 0.5, 0.5), np.float32)}
    onnx.save(network([resize("x", "y", "scales", **REPEAT)], scales, output_shape=(None,) * 4), path)
    with pytest.raises(ModelError, match="factor is not an integer") as caught:
        inspect_file(path, {})
    assert (caught.value.code, caught.value.parameter) == ("invalidModel", "model")


def test_crash_of_the_other_process_is_an_error(plain, monkeypatch):
    monkeypatch.setattr(isolated, "_PROGRAM", "import os\nprint('ready', flush=True)\nos.abort()")
    with pytest.raises(ModelError, match=r"died with status -?[0-9]+; the file is damaged, or"):
        inspect_file(plain, {})


@pytest.mark.parametrize("executable", ["/nonexistent/python3", "/bin/true", None])
def test_file_is_inspected_here_if_no_interpreter_can_be_started(executable, plain, monkeypatch):
    monkeypatch.setattr(isolated, "_interpreter", lambda: executable)
    assert inspect_file(plain, {}).scale == 2


@pytest.mark.parametrize(
    ("executable", "frozen"), [("/opt/app/app", False), ("", False), (None, False), ("/usr/bin/python3", True)]
)
def test_frozen_and_embedded_programs_have_no_interpreter(executable, frozen, monkeypatch):
    monkeypatch.setattr(sys, "executable", executable)
    if frozen:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert own_interpreter() is None


def test_missing_file_and_unusable_fields_start_no_process(plain, tmp_path, started):
    with pytest.raises(ModelError, match="no network file at"):
        inspect_file(tmp_path / "missing.onnx", {})
    with pytest.raises(ModelError, match="not a plain value"):
        inspect_file(plain, {"halo": object()})
    assert started == []


SCRIPT = """
from pathlib import Path
from tilewright.models.loader import load_model
print(load_model(Path("plain.onnx"), 2, cache_dir=Path("cache")).spec.scale)
"""


def test_script_without_a_main_module_in_a_folder_with_foreign_modules(plain):
    """The script comes from the standard input. A module of the working directory must not replace one of Python's."""
    (plain.parent / "json.py").write_text("raise SystemExit('foreign module')")
    result = subprocess.run(
        [sys.executable, "-P", "-"],
        input=SCRIPT,
        cwd=plain.parent,
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("2\n", "")
