"""Type checkers find the mistakes of callers, and accept correct calls and the examples of the documentation."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys

import pytest

from support.pages import PAGES, blocks_of
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


@pytest.fixture
def examples(tmp_path):
    """Returns files with the Python code of the documentation, one for each page."""
    files = []
    for page in PAGES:
        if code := [block.code for block in blocks_of(page) if block.language == "python" and not block.reason]:
            files.append(tmp_path / f"{page.stem.replace('-', '_')}_examples.py")
            files[-1].write_text("\n".join(code), "utf-8")
    assert len(files) > 2, "pages were not found"
    return files


def run_mypy(folder, *files):
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", folder / "cache", *files]
    return subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)


def run_pyright(folder, *files):
    """Returns the errors that pyright finds in files."""
    # An editable install is invisible to pyright, and it includes only files below its configuration.
    folder = folder / "pyright"
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    config = {"extraPaths": [str(ROOT / "python")], "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(folder)]
    done = subprocess.run([*command, "--pythonpath", sys.executable], capture_output=True, text=True)
    return [each for each in json.loads(done.stdout)["generalDiagnostics"] if each["severity"] == "error"]


@needs("mypy")
def test_mypy_reports_the_marked_lines_only(tmp_path):
    done = run_mypy(tmp_path, MISUSE)
    reported = {int(number) for number in re.findall(r"misuse\.py:(\d+): error", done.stdout)}
    assert reported == {start_of_dict(number) for number in MARKED}, done.stdout + done.stderr


@needs("mypy")
def test_mypy_accepts_the_examples_of_the_documentation(tmp_path, examples):
    done = run_mypy(tmp_path, *examples)
    assert done.returncode == 0, done.stdout + done.stderr


@needs("pyright")
def test_pyright_reports_the_marked_lines_only(tmp_path):
    found = run_pyright(tmp_path, MISUSE)
    assert {each["range"]["start"]["line"] + 1 for each in found} == MARKED, found


@needs("pyright")
def test_pyright_accepts_the_examples_of_the_documentation(tmp_path, examples):
    assert run_pyright(tmp_path, *examples) == []
