"""Runs the code blocks of the documentation: Python and command lines, in a folder with sample pictures."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.pages import PAGES, blocks_of, commands_of
from tilewright.cli import main
from tilewright.testing import make_picture

# Pictures that the pages mention, with height and width. Those of which sizes are asked must be large enough.
PICTURES = {
    **dict.fromkeys(
        ("photo.jpg", "a.jpg", "huge.png", "scan.tif", "holiday/one.png", "holiday/two.jpg", "photos/a.png"), (24, 32)
    ),
    "a.png": (128, 128),
    "screenshots/one.png": (540, 24),
}
SHELLS = {"console", "sh"}

# The blocks that are run.
BLOCKS = [block for page in PAGES for block in blocks_of(page) if not block.reason]


@pytest.fixture
def example_files(tmp_path, monkeypatch):
    """Makes the working directory a folder with the files that the pages mention."""
    for name, (height, width) in PICTURES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(make_picture(height, width)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("example_files")
@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS if block.language == "python"}))
def test_python_code_runs(page):
    names = {}
    for block in BLOCKS:
        if block.language == "python" and block.page == page:
            exec(compile(block.code, block.place, "exec"), names)


@pytest.mark.usefixtures("example_files")
@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in BLOCKS if block.language in SHELLS])
def test_command_lines_run(block, capsys):
    if "notes.png" in block.code:  # a damaged picture, which other examples must not find
        Path("notes.png").write_text("hello\n")
    commands = commands_of(block)
    assert commands, "commands of a console block begin with '$ '"
    for command in commands:
        expected = 1 if " failed" in block.code else 0
        assert run(command) == expected, (command, capsys.readouterr().err)


def run(command):
    """Runs a command line and returns its exit status: tilewright in this process, others with the shell."""
    if set(command) & set("|<>&;`") or "$(" in command:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(["bash", "-euo", "pipefail", "-c", command], env={**os.environ, "PATH": path}).returncode
    program, *arguments = shlex.split(command, comments=True)
    assert program == "tilewright", f"{command}: not a command of tilewright; say before the block why it is not run"
    # Examples of a page write to the same files.
    return main([*arguments, "--overwrite"] if arguments[0] == "upscale" else arguments)


def test_other_blocks_are_data_or_say_why_they_are_not_run():
    others = [block for block in BLOCKS if block.language not in {"python", "text", *SHELLS}]
    assert others
    for block in others:
        assert block.language == "json", f"{block.place}: `<!-- not run: … -->` before a block says why it is not run"
        json.loads(block.code)
