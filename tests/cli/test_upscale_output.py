"""`tilewright upscale`: outputs that are no plain file, and what is known before the network runs."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.cli import files_in, format_and_size, load, write_picture
from tilewright.cli import main
from tilewright.store.atomic import LEFTOVER_SECONDS, atomic_write

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


def upscale(*arguments):
    return main(["upscale", *map(str, arguments), "-x", "2"])


@posix
@pytest.mark.usefixtures("nearest_neighbour")
@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_fifo_gets_the_result_and_stays(options):
    write_picture("a.png")
    os.mkfifo("fifo")
    received = []
    reader = threading.Thread(target=lambda: received.append(Path("fifo").read_bytes()))
    reader.start()
    assert upscale("a.png", "-o", "fifo", "--format", "jpg", *options) == 0
    reader.join(60)
    assert stat.S_ISFIFO(Path("fifo").stat().st_mode)
    assert format_and_size(io.BytesIO(received[0])) == ("JPEG", (48, 32))


@posix
@pytest.mark.usefixtures("nearest_neighbour")
@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_device_is_written_and_stays(options, monkeypatch):
    # Root could replace the machine's device.
    monkeypatch.setattr("tilewright.cli.output.atomic_write", lambda _: pytest.fail("it would be replaced"))
    write_picture("a.png")
    Path("null.png").symlink_to(os.devnull)
    for out in (os.devnull, "null.png"):
        assert upscale("a.png", "-o", out, *options) == 0
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert Path("null.png").is_symlink()


@posix
@pytest.mark.usefixtures("no_network")
def test_socket_folder_and_broken_link_are_refused(capsys):
    write_picture("a.png")
    write_picture("b.png")
    Path("out/a.png").mkdir(parents=True)
    Path("out/b.png").symlink_to("missing/b.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        assert upscale("a.png", "-o", "socket.png", "--overwrite") == 1
    assert upscale("a.png", "b.png", "-o", "out", "--overwrite") == 1
    err = capsys.readouterr().err
    assert "a.png: socket.png is a socket" in err
    assert "a.png: out/a.png is a folder" in err
    assert "b.png: out/b.png is a link to missing/b.png, which does not exist" in err
    assert not Path("missing").exists()


@posix
@pytest.mark.usefixtures("nearest_neighbour")
def test_link_stays_and_its_target_is_replaced(capsys):
    write_picture("a.png")
    Path("shelf").mkdir()
    Path("shelf/old.png").write_text("old")
    Path("large.png").symlink_to("shelf/old.png")
    assert upscale("a.png", "-o", "large.png") == 1
    assert "already exists" in capsys.readouterr().err
    assert upscale("a.png", "-o", "large.png", "--overwrite") == 0
    assert Path("large.png").is_symlink()
    assert format_and_size("shelf/old.png") == ("PNG", (48, 32))
    assert files_in("shelf") == ["old.png"]


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("out", ["https://example.com/a.png", "s3://bucket/a.png", "file:///tmp/a.png", "S3://b/out/"])
def test_url_as_output_is_refused(out, working_folder, capsys):
    write_picture("a.png")
    assert upscale("a.png", "-o", out) == 2
    assert f"{out} is a URL; results are written to files" in capsys.readouterr().err
    assert files_in(working_folder) == ["a.png"]


@posix
@pytest.mark.usefixtures("no_network")
def test_unknown_home_folder_is_refused(capsys):
    write_picture("a.png")
    assert upscale("a.png", "-o", "~no-such-user/a.png") == 2
    assert "there is no home folder ~no-such-user" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "options", "file_format"),
    [("a.png", [], "PNG"), ("a.jpg", [], "JPEG"), ("a.gif", [], "PNG"), ("a.png", ["--format", "webp"], "WEBP")],
)
@pytest.mark.usefixtures("nearest_neighbour")
def test_stdin_to_stdout(source, options, file_format, monkeypatch, capfdbinary):
    data = write_picture(source).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert upscale("-", "-o", "-", *options, "--report") == 0
    out, err = capfdbinary.readouterr()
    assert format_and_size(io.BytesIO(out)) == (file_format, (48, 32))
    assert b'{"file": "stdout"' in err
    assert b"stdin -> stdout 48x32" in err


@pytest.mark.usefixtures("nearest_neighbour")
@pytest.mark.parametrize("out", ["-", pytest.param("/dev/stdout", marks=posix)])
def test_file_to_stdout_and_stdin_to_file(out, monkeypatch, capfdbinary):
    write_picture("a.png")
    assert upscale("a.png", "-o", out) == 0
    data = capfdbinary.readouterr().out
    assert format_and_size(io.BytesIO(data)) == ("PNG", (48, 32))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert upscale("-", "-o", "large.png") == 0
    assert load("large.png").size == (96, 64)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "a.png", "-o", "out/"], "stdin (-) cannot be upscaled together with other pictures"),
        (["-", "-o", "out/"], "stdin (-) has no name; give -o a file name"),
        (["-", "-o", "."], "stdin (-) has no name; give -o a file name"),
        (["-", "-o", "large"], "the name has no extension"),
        (["a.png", "b.png", "-o", "-"], "stdout (-) holds one picture"),
        ([".", "-o", "-"], "stdout (-) holds one picture"),
        (["*.png", "-o", "-"], "stdout (-) holds one picture"),
    ],
)
def test_impossible_uses_of_stdin_and_stdout(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    write_picture("a.png")
    write_picture("b.png")
    assert upscale(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("arguments", "stream"), [(["a.png", "-o", "-"], "stdout"), (["-", "-o", "a.jpg"], "stdin")])
def test_terminals_are_no_pictures(arguments, stream, monkeypatch, capsys):
    monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True, raising=False)
    write_picture("a.png")
    assert upscale(*arguments) == 2
    assert f"{stream} (-) is a terminal" in capsys.readouterr().err


@pytest.mark.usefixtures("nearest_neighbour")
def test_failed_picture_writes_nothing_to_stdout(replace_run, capfdbinary):
    def fail(*_, **__):
        raise ZeroDivisionError

    replace_run(fail)
    write_picture("a.png")
    assert upscale("a.png", "-o", "-") == 1
    assert capfdbinary.readouterr().out == b""


@posix
@pytest.mark.usefixtures("no_network")
def test_names_that_are_too_long_are_known_beforehand(capsys):
    write_picture("a.png")
    os.rename("a.png", "a" * 255)  # noqa: PTH104
    write_picture("b.png")
    assert upscale("a" * 255, "-o", "new/folder/") == 1
    assert upscale("b.png", "-o", f"new/{'x' * 256}/{'y' * 9}.png") == 1
    assert upscale("b.png", "-o", "x/" * 2100 + "b.png") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("cannot be written: File name too long" in line for line in lines)
    assert not Path("new").exists()


@posix
@pytest.mark.usefixtures("no_network")
def test_folder_without_permission_is_known_beforehand(monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root
    write_picture("a.png")
    assert upscale("a.png", "-o", "new/large.png") == 1
    assert "new/large.png cannot be written: no permission to write in ." in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("out", "size", "message"),
    [
        ("out.webp", ["-x", "4"], "WEBP holds at most 16383 pixels per side; the result would be 20000 x 8"),
        ("out.jpg", ["--size", "5001x10", "--fit", "inside"], None),
        ("out.jpg", ["--size", "70000x70000"], "JPG holds at most 65500 pixels per side"),
    ],
)
def test_result_too_large_for_its_format_is_known_before_a_network_is_opened(out, size, message, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("tilewright.cli.upscale._run_jobs", lambda jobs, _: opened.append(jobs) or 0)
    write_picture("wide.png", 5000, 2)
    assert main(["upscale", "wide.png", "-o", out, *size]) == (1 if message else 0)
    assert (message or "") in capsys.readouterr().err
    assert bool(opened) == (message is None)


@posix
@pytest.mark.usefixtures("nearest_neighbour")
def test_leftovers_of_crashed_commands_are_removed():
    """Recent ones are kept, and old ones that a running process is writing."""
    write_picture("a.png")
    crash = "import os, sys; from pathlib import Path; from tilewright.store.atomic import atomic_write"
    crash += "; writing = atomic_write(Path('out/large.png')); writing.__enter__(); os._exit(0)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", crash], check=True)
    old, recent = Path("out").iterdir()
    with atomic_write(Path("out/other.png")) as file:
        in_use = Path(file.name)
        for path in (old, in_use):
            os.utime(path, (0, time.time() - LEFTOVER_SECONDS - 1))
        assert upscale("a.png", "-o", "out/") == 0
        assert set(Path("out").glob(".*")) == {recent, in_use}
    assert files_in("out") == [recent.name, "a.png", "other.png"]
