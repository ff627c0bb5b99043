"""Type checkers find the mistakes of callers, and accept correct calls."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys

import pytest

from support.paths import ROOT, TESTS

MISUSE = TESTS / "typing" / "misuse.py"

# mypy reports a wrong key of a TypedDict where the dict begins.
MARKED = {number for number, line in enumerate(MISUSE.read_text().splitlines(), 1) if line.endswith("# error")}


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


def start_of_dict(number):
    """Returns the line on which the dict that contains a line begins."""
    lines = MISUSE.read_text().splitlines()
    while not lines[number - 1].endswith("{") and lines[number - 1].startswith(" " * 4 + '"'):
        number -= 1
    return number


@needs("mypy")
def test_mypy_reports_the_marked_lines_only(tmp_path):
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--cache-dir",
        str(tmp_path),
        str(MISUSE),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    reported = {int(number) for number in re.findall(r"misuse\.py:(\d+): error", done.stdout)}
    assert reported == {start_of_dict(number) for number in MARKED}, done.stdout + done.stderr


@needs("pyright")
def test_pyright_reports_the_marked_lines_only(tmp_path):
    # An editable install is invisible to pyright, and it includes only files below its configuration.
    shutil.copy(MISUSE, tmp_path)
    config = {"extraPaths": [str(ROOT / "python")], "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(tmp_path)]
    done = subprocess.run([*command, "--pythonpath", sys.executable], capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    reported = {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}
    assert reported == MARKED, found
