"""What shells are told about a command line that is being typed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.cli import write_picture

MAIN = "import sys; sys.argv[0] = 'tilewright'; from tilewright.__main__ import main; sys.exit(main())"


@pytest.fixture
def complete(working_folder):
    """Returns a function from the beginning of a line to what may follow its last word."""

    def ask(line):
        answer = working_folder / ".answer"
        variables = {
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_SHELL": "bash",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
        }
        done = subprocess.run([sys.executable, "-c", MAIN], env=os.environ | variables, capture_output=True, check=True)
        assert (done.stdout, done.stderr) == (b"", b"")
        return [each.strip() for each in answer.read_text().splitlines()]

    return ask


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("tilewright up", ["upscale"]),
        ("tilewright upscale --f", ["--factor", "--fit", "--format"]),
        ("tilewright upscale photo.png --format ", ["png", "jpg", "webp", "tiff"]),
        ("tilewright upscale ph", ["photo.png"]),
        ("tilewright upscale photo.png -x 2 --model realesrgan-x4plus-", ["realesrgan-x4plus-anime"]),
        ("tilewright upscale photo.png -x 2 --model ph", ["photo.png"]),
        ("tilewright models inspect tilewright-ph", ["tilewright-photo"]),
        ("tilewright models rem", ["remove"]),
    ],
)
def test_answers(complete, line, answers):
    write_picture("photo.png")
    assert complete(line) == answers


def test_commands_run_although_a_shell_could_ask(capsys):
    from tilewright.cli import main

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tilewright ")
    assert "argcomplete" not in sys.modules
