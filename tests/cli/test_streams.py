"""Closed and full standard streams: the work is finished, and nothing ends in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import files_in, write_picture
from tilewright.cli import main

pytestmark = [
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full"),
    pytest.mark.usefixtures("nearest_neighbour"),
]

# Runs the command line with a network that repeats pixels; the arguments follow.
_PROGRAM = """
import sys
from tilewright.engine.networks import Networks
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession
Networks.session = lambda _, name, factor, precision: FakeSession(ModelSpec(name=str(name), scale=factor))
from tilewright.cli import main
sys.exit(main(sys.argv[1:]))
"""
_UPSCALE = ["upscale", "a.png", "b.png", "-o", "out/", "-x", "2"]


def run(redirection, *arguments):
    """Runs the program in a shell; returns its exit status, and what it printed on a stream that is not redirected."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-c", _PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    return done.returncode, (done.stdout + done.stderr).decode()


def run_to_closed_pipe(stream, *arguments):
    reader, writer = os.pipe()
    os.close(reader)
    others = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: writer}
    done = subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], check=False, **others)
    os.close(writer)
    return done.returncode, ((done.stdout or b"") + (done.stderr or b"")).decode()


@pytest.fixture
def _pictures():
    for name in ("a.png", "b.png"):
        write_picture(name)


@pytest.mark.usefixtures("_pictures")
@pytest.mark.parametrize(
    ("redirection", "status", "message"),
    [
        (">/dev/full", 1, "tilewright: stdout cannot be written: No space left on device\n"),
        (">&-", 1, "tilewright: stdout cannot be written: Bad file descriptor\n"),
        ("2>/dev/full", 0, '{"file": "out/b.png"'),
        ("2>&-", 0, '{"file": "out/b.png"'),
        ("<&- >&- 2>&-", 1, ""),
    ],
)
def test_work_is_finished(redirection, status, message):
    returned, printed = run(redirection, *_UPSCALE, "--report")
    assert returned == status
    assert message in printed
    assert files_in("out") == ["a.png", "b.png"]


@pytest.mark.usefixtures("_pictures")
def test_work_is_finished_if_the_reader_has_gone():
    status, printed = run_to_closed_pipe("stdout", *_UPSCALE, "--report")
    assert status == 1
    assert printed.endswith("tilewright: stdout was closed by its reader, so reports are missing\n")
    status, printed = run_to_closed_pipe("stderr", *_UPSCALE, "--overwrite")
    assert (status, printed) == (0, "")
    assert files_in("out") == ["a.png", "b.png"]


@pytest.mark.parametrize("arguments", [["models"], ["info", "--json"], ["--help"], ["--version"]])
def test_full_disk_is_reported_once(arguments):
    status, printed = run(">/dev/full", *arguments)
    assert (status, printed) == (1, "tilewright: stdout cannot be written: No space left on device\n")


def test_mistake_in_the_arguments_keeps_its_status():
    assert run("2>/dev/full", "upscale") == (2, "")


@pytest.mark.usefixtures("_pictures")
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_picture_that_stdout_does_not_take_has_failed(redirection):
    status, printed = run(redirection, "upscale", "a.png", "-o", "-", "-x", "2")
    assert status == 1
    assert printed.startswith("tilewright: a.png: stdout cannot be written: ")


@pytest.mark.parametrize(("arguments", "status"), [(["upscale", "-", "-o", "-", "-x", "2"], 1), (["run", "-"], 2)])
def test_closed_stdin_is_reported(arguments, status):
    assert run("<&-", *arguments) == (status, "tilewright: stdin cannot be read: it is closed\n")


def test_streams_are_restored(capsys):
    before = sys.stdout, sys.stderr
    assert main(["models", "--json"]) == 0
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out.startswith("[")
