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


@pytest.mark.parametrize(
    ("arguments", "command", "message"),
    [
        ("upscale a.png -o b.png --scale 2", "upscale", "unknown option --scale; did you mean --factor?"),
        ("upscale a.png -o b.png --factr=2", "upscale", "unknown option --factr; did you mean --factor?"),
        ("upscale a.png --output b.png -x 2", "upscale", "unknown option --output; did you mean --out?"),
        ("upscale a.png -o b.png -x 2 --modle x", "upscale", "unknown option --modle; did you mean --model?"),
        ("upscale a.png -o b.png -x2 -z", "upscale", "unknown option -z"),
        ("info --qqqq", "info", "unknown option --qqqq"),
        ("models all", "models", "argument ACTION: invalid choice: 'all'"),
        (
            "photo.jpg -o x.png -x 2",
            "",
            "invalid choice: 'photo.jpg'; to upscale a picture: `tilewright upscale photo",
        ),
        ("upscal a.png", "", "invalid choice: 'upscal'; did you mean `tilewright upscale`?"),
        ("-x 2 a.png", "", "-x must follow a command, as in `tilewright upscale photo.jpg"),
    ],
)
def test_a_misspelt_word_is_named_with_what_was_meant(arguments, command, message, capsys):
    assert main(arguments.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith("tilewright: ")
    assert message in err
    assert err.endswith(f"; see `{f'tilewright {command}'.strip()} --help`\n")
    assert err.count("\n") == 1


def test_values_are_not_taken_for_options(capsys):
    assert main(["upscale", "missing.png", "-o", "b.png", "-x2", "--", "--odd.png"]) == 2
    assert "unknown option" not in capsys.readouterr().err
    assert main(["upscale", "--scale", "2", "--help"]) == 0


@pytest.mark.parametrize("command", [[], ["upscale"], ["run"], ["models"], ["info"], ["store"]])
def test_help_fits_a_terminal_of_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*command, "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


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
