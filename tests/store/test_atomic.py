"""Atomic writes: a file is complete or absent."""

from __future__ import annotations

import errno
import os
import stat
import time
import uuid
from pathlib import Path

import pytest

from tilewright.store.atomic import atomic_write, remove_partial_files


def write(path, data):
    with atomic_write(path) as file:
        file.write(data)


def test_write_creates_the_folder_and_replaces_the_file(tmp_path):
    path = tmp_path / "new" / "file.bin"
    write(path, b"one")
    write(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file.bin"]  # noqa: PTH208


def test_new_file_has_the_default_mode(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write(tmp_path / "atomic", b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic")}
    assert len(modes) == 1


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="No space left"):
        write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]  # noqa: PTH208


def test_partial_file_of_a_crash_is_not_in_the_way(tmp_path):
    (tmp_path / ".file.bin.partial").write_bytes(b"left over")
    write(tmp_path / "file.bin", b"new")
    assert (tmp_path / "file.bin").read_bytes() == b"new"
    assert (tmp_path / ".file.bin.partial").read_bytes() == b"left over"


def test_tidying_keeps_the_file_of_a_running_writer_however_old_it_is(tmp_path):
    with atomic_write(tmp_path / "file.bin") as file:
        [partial] = tmp_path.iterdir()
        os.utime(partial, (0, 0))
        remove_partial_files(tmp_path, older_than=time.time())
        file.write(b"whole")
        file.flush()
        os.utime(partial, (0, 0))
        remove_partial_files(tmp_path, older_than=time.time())
    assert (tmp_path / "file.bin").read_bytes() == b"whole"
    partial.write_bytes(b"left by a crash")
    os.utime(partial, (0, 0))
    remove_partial_files(tmp_path, older_than=time.time())
    assert not partial.exists()


def test_file_is_locked_until_it_has_its_name(tmp_path, monkeypatch):
    replace = Path.replace

    def tidy_and_replace(path, target):
        os.utime(path, (0, 0))
        remove_partial_files(tmp_path, older_than=time.time())
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", tidy_and_replace)
    write(tmp_path / "file.bin", b"whole")
    assert (tmp_path / "file.bin").read_bytes() == b"whole"


def test_without_locks_a_partial_file_must_be_a_day_older(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    now = time.time()
    young, old = (tmp_path / f".{uuid.uuid4().hex}.partial" for _ in range(2))
    for path, hours in ((young, 23), (old, 25)):
        path.write_bytes(b"x")
        os.utime(path, (now - hours * 3600, now - hours * 3600))
    remove_partial_files(tmp_path, older_than=now)
    assert (young.exists(), old.exists()) == (True, False)
    write(tmp_path / "file.bin", b"x")
    assert (tmp_path / "file.bin").read_bytes() == b"x"


def test_exception_in_the_block_leaves_nothing(tmp_path):
    path = tmp_path / "new" / "file.bin"

    def write_half():
        with atomic_write(path) as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert list(path.parent.iterdir()) == []
