"""The cache of converted networks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import onnx
import pytest

from support.processes import subprocess_environment
from tilewright.errors import StoreError
from tilewright.models import cache
from tilewright.models.catalog import CATALOG
from tilewright.models.catalog_entry import CatalogEntry
from tilewright.models.loader import load_model
from tilewright.store.atomic import LEFTOVER_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

FAST = "realesr-animevideov3"

pytestmark = pytest.mark.skipif(not CATALOG[FAST].installed, reason=f"{CATALOG[FAST].package} is not installed")


def test_second_load_converts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_model(FAST, 3, cache_dir=tmp_path)
    written = first.path.stat().st_mtime_ns
    monkeypatch.setattr(CatalogEntry, "read", lambda *_: pytest.fail("weights were read again"))
    second = load_model(FAST, 3, cache_dir=tmp_path)
    assert second == first
    assert second.path.stat().st_mtime_ns == written
    assert first.path.name.startswith(f"{FAST}-x3-")


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty"])
def test_damaged_file_is_converted_again(damage: str, tmp_path: Path) -> None:
    path = load_model(FAST, 4, cache_dir=tmp_path).path
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    path.write_bytes({"truncated": content[:-100], "one bit": bytes(flipped), "empty": b""}[damage])
    again = load_model(FAST, 4, cache_dir=tmp_path).path
    assert again.read_bytes() == content
    assert list(tmp_path.iterdir()) == [again]


def test_two_processes_can_convert_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import onnx\n"
        "from tilewright.models.loader import load_model\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        f"print(load_model({FAST!r}, 4, cache_dir=Path(sys.argv[1])).path, flush=True)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "cache")],
            env=subprocess_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    paths = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert {str(path) for path in (tmp_path / "cache").iterdir()} == paths
    assert len(paths) == 1
    onnx.checker.check_model(onnx.load(paths.pop()), full_check=True)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.usefixtures("temporary")
def test_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        load_model(FAST, 4, cache_dir=tmp_path / "cache")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_unwritable_folder_is_replaced_with_a_warning(
    tmp_path: Path, temporary: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    unwritable = tmp_path / "file" / "cache"
    path = load_model(FAST, 4, cache_dir=unwritable).path
    assert path.is_relative_to(temporary)
    (record,) = caplog.records
    assert f"cache folder {unwritable}" in record.message
    assert "TILEWRIGHT_CACHE_DIR" in record.message
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    monkeypatch.setattr(CatalogEntry, "read", lambda *_: pytest.fail("weights were read again"))
    assert load_model(FAST, 4, cache_dir=unwritable).path == path
    assert len(caplog.records) == 1


@pytest.mark.parametrize("trap", ["open to others", "link"])
def test_networks_that_others_may_have_written_are_not_used(trap: str, tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "file").touch()
    unwritable = tmp_path / "file" / "cache"
    path = load_model(FAST, 4, cache_dir=unwritable).path
    folder = path.parent.parent
    if trap == "link":
        folder = folder.rename(temporary / "elsewhere")
        (temporary / path.parent.parent.name).symlink_to(folder)
    else:
        folder.chmod(0o777)
    with pytest.raises(StoreError, match=r"cache folder .*file.* nor to .*belongs to another user or is open"):
        load_model(FAST, 4, cache_dir=unwritable)


def test_leftovers_of_crashed_writers_are_removed(tmp_path: Path) -> None:
    old, recent = (tmp_path / f".{digit * 32}.partial" for digit in "ab")
    for path in (old, recent):
        path.write_bytes(b"")
    os.utime(old, (0, time.time() - LEFTOVER_SECONDS - 1))
    path = cache.store(tmp_path, "key", b"content")
    assert set(tmp_path.iterdir()) == {recent, path}
