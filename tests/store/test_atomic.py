"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from tilewright.store.atomic import whole_file


def write_whole(path, data):
    with whole_file(path) as file:
        file.write(data)


def test_a_file_is_written_with_its_folder_and_replaced(tmp_path):
    path = tmp_path / "new" / "file.bin"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file.bin"]  # noqa: PTH208


def test_it_has_the_mode_that_any_new_file_has(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")}
    assert len(modes) == 1


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]  # noqa: PTH208


def test_a_file_that_a_crash_left_is_in_nobodys_way(tmp_path):
    (tmp_path / ".file.bin.partial").write_bytes(b"left over")
    write_whole(tmp_path / "file.bin", b"new")
    assert (tmp_path / "file.bin").read_bytes() == b"new"
    assert (tmp_path / ".file.bin.partial").read_bytes() == b"left over"


def test_a_block_left_by_an_exception_leaves_nothing(tmp_path):
    path = tmp_path / "new" / "file.bin"

    def write_half():
        with whole_file(path) as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert list(path.parent.iterdir()) == []
