"""The store's backends: local folders by path and URL, and fsspec file systems."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from support.store import HOUR
from tilewright.errors import StoreError
from tilewright.store.image_store import ImageStore


def test_local_url_is_escaped(tmp_path):
    store = ImageStore(tmp_path / "my pictures %20 #1 ä")
    url = store.url(store.put(b"content", "png"))
    assert url.startswith("file:///")
    assert url.isascii()
    assert not set(" #") & set(url)
    assert Path(unquote(urlsplit(url).path)).read_bytes() == b"content"


def test_file_url_is_a_folder(tmp_path):
    folder = tmp_path / "my pictures"
    image_uuid = ImageStore(folder.as_uri()).put(b"x", "png")
    assert ImageStore(folder).get(image_uuid) == b"x"


def test_local_url_of_fsspec_is_a_folder(tmp_path):
    image_uuid = ImageStore(f"local://{tmp_path}/images").put(b"x", "png")
    assert ImageStore(tmp_path / "images").url(image_uuid).startswith("file://")


def test_relative_folder_survives_chdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = ImageStore("images")
    image_uuid = store.put(b"x", "png")
    monkeypatch.chdir("/")
    assert store.get(image_uuid) == b"x"


def test_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    ImageStore("~/images").put(b"x", "png")
    assert len(list((tmp_path / "images").iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize(
    ("options", "modes"),
    [
        ({}, (0o700, 0o600)),
        ({"public_url": "https://img.example.org"}, (0o755, 0o644)),
        ({"shared": True}, (0o755, 0o644)),
        ({"public_url": "https://img.example.org", "shared": False}, (0o700, 0o600)),
    ],
)
def test_images_are_private_unless_they_are_shared(tmp_path, options, modes):
    umask = os.umask(0o022)
    try:
        folder = tmp_path / "new" / "images"
        store = ImageStore(folder, **options)
        store.put(b"x", "png")
        with store.writer("jpg") as image:
            image.write(b"x")
            assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {modes[1]}
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == modes[0]
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [modes[1]] * 2
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o755


def test_unknown_url_scheme_is_an_error():
    with pytest.raises(StoreError, match="nosuchscheme"):
        ImageStore("nosuchscheme://images")


class OtherFileSystem(MemoryFileSystem):
    """A memory file system under another protocol."""

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix(f"{cls.protocol}://"))


class SignedFileSystem(OtherFileSystem):
    protocol = "signed"

    def sign(self, path, expiration=100, **_):
        return f"https://storage.example.org{self._strip_protocol(path)}?expires={expiration}"


@pytest.mark.parametrize(("ttl", "seconds"), [(90.5, 90), (0.5, 1), (10**9, 604_800), (None, 604_800)])
def test_url_is_signed_for_the_ttl(ttl, seconds):
    fsspec.register_implementation("signed", SignedFileSystem, clobber=True)
    store = ImageStore("signed://images", ttl=ttl)
    image_uuid = store.put(b"x", "png")
    assert store.url(image_uuid) == f"https://storage.example.org/images/{image_uuid}.png?expires={seconds}"


class FoldersFileSystem(OtherFileSystem):
    """Like SFTP, it writes no file to a missing folder."""

    protocol = "folders"

    def pipe_file(self, path, value, **_):
        if self._parent(self._strip_protocol(path)) not in self.pseudo_dirs:
            raise FileNotFoundError(path)
        super().pipe_file(path, value)


def test_remote_folder_is_created_but_not_a_bucket():
    fsspec.register_implementation("folders", FoldersFileSystem, clobber=True)
    name = str(uuid.uuid4())
    store = ImageStore(f"folders://{name}/images")
    assert store.get(store.put(b"x", "png")) == b"x"
    with pytest.raises(StoreError, match="cannot be written"):
        ImageStore(f"folders://{uuid.uuid4()}").put(b"x", "png")


class BrokenFileSystem(OtherFileSystem):
    """Every call raises `error`, which may be of any class, as with real drivers."""

    protocol = "broken"
    error = None

    def fail(self, *_, **__):
        raise self.error

    info = ls = cat_file = pipe_file = rm_file = sign = fail


@pytest.mark.parametrize(
    "error", [PermissionError("Forbidden"), TimeoutError(), ConnectionResetError(104, "reset"), RuntimeError("odd")]
)
@pytest.mark.parametrize(
    "action",
    [
        lambda store: store.put(b"x", "png"),
        lambda store: store.get(str(uuid.uuid4())),
        lambda store: store.url(str(uuid.uuid4())),
        lambda store: store.delete(str(uuid.uuid4())),
        lambda store: store.expire(),
    ],
    ids=["put", "get", "url", "delete", "expire"],
)
def test_any_driver_error_becomes_store_error(monkeypatch, action, error):
    fsspec.register_implementation("broken", BrokenFileSystem, clobber=True)
    monkeypatch.setattr(BrokenFileSystem, "error", error)
    with pytest.raises(StoreError, match="broken://images") as caught:
        action(ImageStore("broken://images", ttl=HOUR))
    assert caught.value.__cause__ is error
    assert (str(error) or "TimeoutError") in caught.value.message


def test_errors_contain_no_password(monkeypatch):
    fsspec.register_implementation("broken", BrokenFileSystem, clobber=True)
    monkeypatch.setattr(BrokenFileSystem, "error", PermissionError("Forbidden"))
    store = ImageStore("broken://ada:secret@images")
    with pytest.raises(StoreError, match="broken://images") as caught:
        store.put(b"x", "png")
    assert "secret" not in caught.value.message
