"""Ctrl-C, SIGTERM and SIGHUP while a picture is upscaled."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib

import pytest

import tilewright
from support.cli import files_in, write_picture
from support.paths import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

# Runs the command with a network whose tiles take a given number of seconds. Each tile, when it
# starts, leaves a file "running", which is how the test knows when to send the signal.
PROGRAM = """
import sys, time
from pathlib import Path
from tilewright.cli import main
from tilewright.engine.networks import Networks
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession

class Slow(FakeSession):
    def run(self, batch, result=None):
        with Path("tiles").open("a") as file:
            file.write("x")
        time.sleep({seconds})
        return super().run(batch, result)

Networks.session = lambda _, name, factor, precision: Slow(ModelSpec(name="slow", scale=factor), precision=precision)
{prelude}
sys.exit(main({arguments}))
"""

UPSCALE = ["upscale", "a.png", "-o", "out/", "-x", "2", "--tile", "16"]


def wait_for(condition, process=None):
    deadline = time.monotonic() + 120  # a guard against a hang
    while not condition():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def default_signals():
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)


@pytest.fixture
def start(working_folder):
    """Starts the program and returns it once its first tile runs; kills it at the end."""
    processes = []

    def start(seconds, prelude="", arguments=UPSCALE):
        write_picture("a.png", 64, 64)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(seconds=seconds, prelude=prelude, arguments=arguments)],
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the tests in the background, and nohup, make children ignore signals.
            preexec_fn=default_signals,
        )
        processes.append(process)
        wait_for((working_folder / "tiles").exists, process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def messages(process):
    return process.communicate(timeout=120)[1]


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_after_the_tile_and_leaves_no_partial_file(signum, status, start, working_folder):
    process = start(seconds=0.5)
    process.send_signal(signum)
    lines = messages(process).splitlines()
    assert process.returncode == status
    assert lines[-1] == "tilewright: stopped; finished files are kept, and none is incomplete"
    assert "Traceback" not in "".join(lines)
    assert files_in(working_folder) == ["a.png", "tiles"]
    assert len((working_folder / "tiles").read_text()) <= 2, "no tile starts after the signal"


def test_ctrl_c_is_answered_at_once_and_obeyed_at_once_if_repeated(start, working_folder):
    process = start(seconds=600)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == ("tilewright: stopping after this tile; press Ctrl-C again to stop now\n")
    assert list(working_folder.glob("out/.*.partial"))
    process.send_signal(signal.SIGINT)
    assert messages(process) == "tilewright: stopped at once; finished files are kept\n"
    assert process.returncode == 130
    assert files_in(working_folder) == ["a.png", "tiles"]


def test_sigterm_does_not_wait_for_a_slow_tile(start, working_folder):
    process = start(seconds=600, prelude="from tilewright.cli import signals; signals._GRACE = 0.3")
    process.send_signal(signal.SIGTERM)
    assert re.search("stopping after this tile, or in .* s at the latest\n.*stopped at once", messages(process))
    assert process.returncode == 143
    assert files_in(working_folder) == ["a.png", "tiles"]


def test_ignored_signals_stay_ignored(start, working_folder):
    """As under nohup, and in the background of a shell without job control."""
    prelude = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = start(seconds=0.05, prelude=prelude)
    process.send_signal(signal.SIGHUP)
    assert "a.png -> out/a.png" in messages(process)
    assert process.returncode == 0
    assert files_in(working_folder) == ["a.png", "out/a.png", "tiles"]


def test_a_signal_during_decoding_is_not_lost(start, working_folder):
    """Exceptions raised where native code calls Python are discarded; the decoder does that."""
    prelude = """
import os, signal
from tilewright.cli import upscale
decode = upscale.decode_any
def interrupted(*arguments, **options):
    Path("tiles").touch()
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass  # as cffi does
    return decode(*arguments, **options)
upscale.decode_any = interrupted
"""
    process = start(seconds=0, prelude=prelude)
    assert "stopped; finished files are kept" in messages(process)
    assert process.returncode == 130
    assert files_in(working_folder) == ["a.png", "tiles"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_signal_stops_tasks_and_leaves_the_store_as_it_was(count, start, working_folder):
    picture = base64.b64encode(write_picture("a.png", 64, 64).read_bytes()).decode()
    tasks = [tilewright.new_task(f"data:image/png;base64,{picture}", 2) for _ in range(count)]
    (working_folder / "tasks.json").write_text(json.dumps(tasks))
    process = start(seconds=0.5, arguments=["run", "tasks.json"])
    process.send_signal(signal.SIGTERM)
    assert messages(process).splitlines()[-1].startswith("tilewright: stopped; finished files are kept")
    assert process.returncode == 143
    assert files_in(working_folder) == ["a.png", "tasks.json", "tiles"]
    assert (working_folder / "tiles").read_text() == "x", "no other task starts"


# Starts the program, and sends it Ctrl-C when it imports a module for the first time.
EARLY = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.argv = ["tilewright", "upscale", "a.png", "-o", "b.png", "-x", "2"]
sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, Finder())
{start}
"""

STARTS = {
    "module": "import runpy; runpy.run_module('tilewright', run_name='__main__', alter_sys=True)",
    "script": "from tilewright.__main__ import main; sys.exit(main())",
}


@pytest.mark.parametrize("module", ["tilewright.cli", "argparse", "importlib.metadata", "rich.console"])
@pytest.mark.parametrize("start", STARTS)
def test_ctrl_c_during_imports_ends_quietly(start, module):
    done = subprocess.run(
        [sys.executable, "-c", EARLY.format(module=module, start=STARTS[start])],
        capture_output=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_console_script_starts_where_ctrl_c_is_handled():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"tilewright": "tilewright.__main__:main"}
