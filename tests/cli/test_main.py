"""The program as a whole: version, help, exit status, import weight."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import tilewright
from support.cli import run_module
from support.paths import DOCS
from tilewright.cli import main


def test_version():
    done = run_module("--version", text=True)
    assert (done.returncode, done.stdout) == (0, f"tilewright {tilewright.__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["upscale", "--help"], ["run", "--help"]])
def test_help_has_examples(arguments, capsys):
    assert main(arguments) == 0
    assert "examples:\n  " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "command", "message"),
    [
        ([], "tilewright", "required: COMMAND"),
        (["enlarge"], "tilewright", "invalid choice: 'enlarge'"),
        (["upscale", "a.png", "-o", "b.png", "-x", "5"], "tilewright upscale", "invalid choice: 5"),
        (["upscale", "a.png", "-o", "b.png", "-x", "2", "--tile", "0"], "tilewright upscale", "--tile"),
        (["info", "--plan", "9"], "tilewright info", "'9' is not a size"),
    ],
)
def test_a_mistake_in_the_options_gives_one_line(arguments, command, message, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("tilewright: ")
    assert message in err
    assert err.endswith(f"; see `{command} --help`\n")
    assert err.count("\n") == 1


def test_help_loads_no_runtime_and_no_codec():
    heavy = "{'rich', 'onnx', 'onnxruntime', 'openvino', 'pyvips', 'PIL', 'tilewright.store'}"
    code = f"import sys, tilewright.cli; tilewright.cli.main(['--help']); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_every_option_is_documented(capsys):
    manual = (DOCS / "cli.md").read_text(encoding="utf-8")
    for command in ("upscale", "run", "models", "info", "store"):
        assert main([command, "--help"]) == 0
        for option in set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out)) - {"--help"}:
            assert re.search(rf"`[^`\n]*{option}\b", manual), f"{command} {option}"


@pytest.mark.skipif(os.name != "posix", reason="needs a pipe whose reader is closed")
def test_closed_stdout_ends_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "tilewright", "models", "--json"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
