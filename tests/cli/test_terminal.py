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
from tilewright.cli import durations, main, progress
from tilewright.engine.progress import Progress


def test_ctrl_c_keeps_only_finished_results(monkeypatch, working_folder, capsys):
    tiles = progress.ProgressBar.tiles

    def interrupt_b(self, output_pixels, frames):
        def interrupt(_):
            raise KeyboardInterrupt

        return interrupt if output_pixels == 8 * 8 * 4 else tiles(self, output_pixels, frames)

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

    def last_line(refresh=None):
        if refresh is not None:
            refresh._bar.refresh()
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
        return next(line for line in reversed(re.split(r"[\r\n]", text)) if line)

    return console, last_line


def test_bar_shows_tiles_rate_clock_and_remaining_time(drawing, clock):
    console, last_line = drawing
    with progress.ProgressBar(console, files=1, quiet=False) as bar:
        bar.wait("opening the network")
        bar.start_file("a file with a rather long name, from a long journey.png")
        after_tile = bar.tiles(8_000_000)
        after_tile(Progress(done=0, total=48, rows=0, pixels=0))
        clock[0] += 2
        after_tile(Progress(done=12, total=48, rows=0, pixels=0))
    assert len(last_line()) == 80
    assert re.fullmatch(r"a file with a rathe… ━+ +12/48 tiles     1 MP/s out 0:02 0:06 left", last_line())


def test_bar_of_a_batch_shows_all_files_and_the_time_left_for_them(drawing, clock):
    console, last_line = drawing
    with progress.ProgressBar(console, files=3, quiet=False) as bar:
        bar.expect([1, 1, 2], 40.0)
        bar.start_file("a.png")
        assert re.search(r"all files +0/3 files +0:00 0:40 left", last_line(refresh=bar))
        clock[0] += 5  # half the time that was expected
        bar.start_file("b.png")
        after_tile = bar.tiles(8_000_000)
        after_tile(Progress(done=0, total=2, rows=0, pixels=0))
        assert re.search(r"all files ━+╸? +1/3 files +0:05 0:15 left", last_line(refresh=bar))
        clock[0] += 10
        after_tile(Progress(done=1, total=2, rows=0, pixels=0))
    assert re.search(r"all files ━+╸? +1/3 files +0:15 0:25 left", last_line())


def test_bar_of_an_animation_counts_frames(drawing, clock):
    console, last_line = drawing
    with progress.ProgressBar(console, files=1, quiet=False) as bar:
        bar.start_file("a.gif")
        after_tile = bar.tiles(8_000_000, frames=4)
        for frame in range(3):
            after_tile(Progress(done=0, total=1, rows=0, pixels=0))
            if frame < 2:
                clock[0] += 1
                after_tile(Progress(done=1, total=1, rows=0, pixels=0))
    assert re.search(r"3/4 frames +8 MP/s out 0:02 0:02 left", last_line())


def test_bar_moves_within_a_tile(drawing, clock):
    def length():
        return last_line(refresh=bar).count("━")  # a bar without colours shows only what is done

    console, last_line = drawing
    with progress.ProgressBar(console, files=1, quiet=False) as bar:
        bar.expect([1], 100.0)
        bar.start_file("a.png")
        after_tile = bar.tiles(1_000_000)
        after_tile(Progress(done=0, total=1, rows=0, pixels=0))
        lengths = [length()]
        for _ in range(3):
            clock[0] += 25
            lengths.append(length())
        assert lengths == sorted(set(lengths)), "it grows with the clock"
        clock[0] += 10_000
        assert length() < 80, "it waits for a late tile"
        assert "0:00 left" in last_line()


@pytest.mark.parametrize(("elapsed", "remaining"), [(4, "0:06"), (44, "0:00")])
def test_remaining_time_counts_down_between_tiles_but_stays_positive(drawing, clock, elapsed, remaining):
    console, last_line = drawing
    with progress.ProgressBar(console, files=1, quiet=False) as bar:
        bar.start_file("a.png")
        after_tile = bar.tiles(1_000_000)
        after_tile(Progress(done=0, total=2, rows=0, pixels=0))
        clock[0] += 10
        after_tile(Progress(done=1, total=2, rows=0, pixels=0))
        clock[0] += elapsed
    assert re.search(rf"1/2 tiles +0.05 MP/s out 0:{10 + elapsed} {remaining} left$", last_line())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (0.1, "0:01"), (59.5, "1:00"), (725, "12:05"), (10820, "3:00:20")]
)
def test_clock_format(seconds, text):
    assert durations.clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "exact", "rough"),
    [
        (0.31, "0.3 s", "0.31 s"),
        (59.96, "1 min 00 s", "60 s"),
        (200, "3 min 20 s", "3 min"),
        (3599.7, "1 h 00 min", "60 min"),
        (7500, "2 h 05 min", "2 h"),
        (97_000, "1 d 3 h", "27 h"),
        (864_000, "10 d 0 h", "10 days"),
    ],
)
def test_durations_in_words(seconds, exact, rough):
    assert (durations.told(seconds), durations.roughly(seconds)) == (exact, rough)


def test_bar_of_a_large_batch_sums_the_work_of_all_files_once(drawing):
    """A sum at every tile would take longer than the tile."""
    sums = []

    class Weights(list):
        def __iter__(self):
            sums.append(len(self))
            return super().__iter__()

    with progress.ProgressBar(drawing[0], files=50, quiet=False) as bar:
        bar.expect(Weights([1.0] * 50), 10.0)
        expected = len(sums)
        for _ in range(50):
            bar.start_file("a.png")
            bar.tiles(1_000_000)(Progress(done=1, total=1, rows=0, pixels=0))
    assert len(sums) == expected <= 2


def test_bar_of_a_batch_in_which_a_file_is_started_twice(drawing):
    """That happens with a file that another process is busy with."""
    console, last_line = drawing
    with progress.ProgressBar(console, files=2, quiet=False) as bar:
        bar.expect([1, 1], 10.0)
        for name in ("a.png", "b.png", "a.png"):
            bar.start_file(name)
        bar.tiles(1_000_000)(Progress(done=1, total=1, rows=0, pixels=0))
    assert "2/2 files" in last_line()
