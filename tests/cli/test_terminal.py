"""Messages, log records, the progress bar and Ctrl-C."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console

from support.cli import files_in, format_and_size, run_module, write_picture
from tilewright.cli import main, progress
from tilewright.engine.progress import Progress


def test_ctrl_c_keeps_only_finished_results(monkeypatch, working_folder, capsys):
    tiles = progress.ProgressBar.tiles

    def interrupt_b(self, output_pixels):
        def interrupt(_):
            raise KeyboardInterrupt

        return interrupt if output_pixels == 8 * 8 * 4 else tiles(self, output_pixels)

    monkeypatch.setattr(progress.ProgressBar, "tiles", interrupt_b)
    write_picture("a.png")
    write_picture("b.png", 8, 8)
    write_picture("c.png")
    assert main(["upscale", "a.png", "b.png", "c.png", "-o", "out", "-x", "2"]) == 130
    assert files_in(working_folder) == ["a.png", "b.png", "c.png", "out/a.png"]
    assert capsys.readouterr().err.splitlines()[-1].startswith("tilewright: stopped")


@pytest.mark.usefixtures("nearest_neighbour")
def test_quiet_prints_only_errors(capsys):
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["upscale", "missing.png", "-o", "large.png", "-x", "2", "--quiet"]) == 1
    assert "missing.png" in capsys.readouterr().err


def test_verbose_prints_log_records_during_the_command_only(capsys, caplog):
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "1.png", "-x", "2"]) == 0
    assert "tilewright-photo x2 on" not in capsys.readouterr().err
    assert main(["upscale", "a.png", "-o", "2.png", "-x", "2", "-v"]) == 0
    assert re.search(r"^tilewright: tilewright-photo x2 on .*, fp32$", capsys.readouterr().err, re.MULTILINE)
    logging.getLogger("tilewright").error("afterwards")
    assert "afterwards" in caplog.text
    assert "afterwards" not in capsys.readouterr().err


@pytest.mark.usefixtures("nearest_neighbour")
def test_escape_sequences_in_file_names_are_not_printed(capsys):
    name = "a\x1b[31m\nb.png"
    write_picture(name)
    assert main(["upscale", name, "-o", "large.png", "-x", "2"]) == 0
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_no_bar_and_no_colour_if_stderr_is_not_a_terminal():
    """The variable FORCE_COLOR makes no difference."""
    write_picture("a.png")
    done = run_module("upscale", "a.png", "-o", "large.png", "-x", "2", env={**os.environ, "FORCE_COLOR": "1"})
    assert done.returncode == 0
    assert re.fullmatch(rb"a\.png -> large\.png 48x32 in \d+\.\d s\n", done.stderr)
    assert done.stdout == b""
    assert format_and_size("large.png") == ("PNG", (48, 32))


@pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals")
def test_progress_bar_on_a_terminal():
    import pty

    write_picture("a.png")
    command = [sys.executable, "-m", "tilewright", "upscale", "a.png", "-o", "large.png", "-x", "2"]
    near_end, far_end = pty.openpty()
    with subprocess.Popen(command, stderr=far_end, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"}) as process:
        os.close(far_end)
        output = b""
        while chunk := _read_terminal(near_end):
            output += chunk
    os.close(near_end)
    assert process.returncode == 0
    assert b"a.png -> large.png 48x32" in output
    assert b"1/1 tiles" in output


def _read_terminal(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux raises this when the far end is closed
        return b""


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def drawing(monkeypatch, clock):
    """Returns a console of 80 columns, and a function that returns the last line drawn on it."""
    monkeypatch.setattr(progress, "can_draw", lambda _: True)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None, get_time=lambda: clock[0])

    def last_line():
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
        return next(line for line in reversed(re.split(r"[\r\n]", text)) if line)

    return console, last_line


def test_bar_shows_tiles_rate_and_remaining_time(drawing, clock):
    console, last_line = drawing
    with progress.ProgressBar(console, files=3, quiet=False) as bar:
        bar.wait("opening the network")
        bar.start_file("a file with a rather long name, from a long journey.png")
        after_tile = bar.tiles(8_000_000)
        clock[0] += 2
        after_tile(Progress(done=12, total=48, rows=0, pixels=0))
    assert len(last_line()) == 80
    assert re.fullmatch(r"1/3 a file with a rather … ━+ +12/48 tiles     1 MP/s out 0:06 left", last_line())


@pytest.mark.parametrize(("elapsed", "remaining"), [(4, "0:06"), (44, "0:00")])
def test_remaining_time_counts_down_between_tiles_but_stays_positive(drawing, clock, elapsed, remaining):
    console, last_line = drawing
    with progress.ProgressBar(console, files=1, quiet=False) as bar:
        bar.start_file("a.png")
        after_tile = bar.tiles(1_000_000)
        clock[0] += 10
        after_tile(Progress(done=1, total=2, rows=0, pixels=0))
        clock[0] += elapsed
    assert last_line().endswith(f"1/2 tiles  0.05 MP/s out {remaining} left")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (0.1, "0:01"), (59.5, "1:00"), (725, "12:05"), (10820, "3:00:20")]
)
def test_duration_format(seconds, text):
    assert progress.duration(seconds) == text
