"""Users without a home folder, or with one that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import tilewright
from support.processes import subprocess_environment
from tilewright.settings import Settings
from tilewright.store.opening import open_store


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An empty folder of temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "temporary"


@pytest.fixture
def no_home(temporary, monkeypatch):
    """A user without HOME and without an entry in the password database, as in many containers."""
    pwd = pytest.importorskip("pwd")

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    return temporary


def test_without_a_home_the_folders_are_temporary(no_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({})
    assert settings.cache_dir.is_relative_to(no_home)
    assert settings.store.startswith(str(no_home))
    assert list(no_home.iterdir()) == [], "nothing is created before it is needed"


@pytest.mark.usefixtures("no_home")
def test_without_a_home_images_are_kept_and_found_again(caplog):
    image_uuid = open_store(Settings().store).put(b"image", "png")
    assert "no home folder; images are kept in" in caplog.text
    assert "TILEWRIGHT_STORE" in caplog.text
    assert open_store(Settings().store).get(image_uuid) == b"image"


@pytest.mark.usefixtures("temporary")
def test_a_store_in_a_home_that_cannot_be_written_is_replaced(tmp_path, temporary, monkeypatch, caplog):
    (tmp_path / "home").touch()  # no folder can be created in it, not even by root
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    store = open_store(Settings().store)
    assert store.get(store.put(b"image", "png")) == b"image"
    assert f"the image store {Settings().store} cannot be written; images are kept in {temporary}" in caplog.text


def test_a_store_that_was_chosen_is_never_replaced(tmp_path, temporary):
    (tmp_path / "file").touch()
    store = open_store(str(tmp_path / "file" / "store"))
    with pytest.raises(tilewright.TilewrightError):
        store.put(b"image", "png")
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="needs root to become another user")
def test_an_unknown_user_can_upscale(tmp_path):
    """As in a container that is started with an arbitrary user id, and a home of / ."""
    # The first picture loads all modules, which may be in root's own home.
    code = """
import os, tilewright
from tilewright.testing import make_picture
for user in (0, 54321):
    os.setuid(user)
    (item,) = tilewright.Upscaler(device="cpu").upscale(tilewright.new_task(make_picture(24, 32), 2))["data"]
print(item["imageURL"])
"""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    temporary.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o077:  # pytest's own folders
            folder.chmod(0o711)
    environment = {**subprocess_environment(), "HOME": "/", "TMPDIR": str(temporary)}
    for name in ("TILEWRIGHT_CACHE_DIR", "TILEWRIGHT_STORE"):
        environment.pop(name, None)
    environment |= dict.fromkeys(("XDG_CACHE_HOME", "XDG_DATA_HOME"), str(tmp_path / "of-root"))
    (tmp_path / "of-root").mkdir(mode=0o700)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, cwd="/", check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert str(temporary / "tilewright-54321" / "images") in done.stdout.decode()
