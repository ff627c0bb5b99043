"""Atomic writes: a file is complete or absent."""

from __future__ import annotations

import os
import stat

import pytest

from tilewright.store.atomic import atomic_write


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


def test_exception_in_the_block_leaves_nothing(tmp_path):
    path = tmp_path / "new" / "file.bin"

    def write_half():
        with atomic_write(path) as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert list(path.parent.iterdir()) == []
