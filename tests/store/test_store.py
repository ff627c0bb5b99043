"""The image store: complete images or none, from any number of processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import time
import uuid
from datetime import UTC, datetime

import pytest

from support.store import set_age, stored_files
from tilewright.errors import SourceError, StoreError
from tilewright.store import ImageStore, is_uuid4
from tilewright.store.backends import LocalFolder
from tilewright.store.identifiers import file_names

ABSENT = "28ac6f2a-708c-4e19-8016-885cefcca55c"
NOT_VERSION_4 = "e9f7fa64-ec8e-11f1-97a6-02fc00000001"


def test_put_and_get_in_any_letter_case(store):
    first, second = store.put(b"one", "png"), store.put(b"two", "jpg")
    assert first != second
    assert is_uuid4(first)
    assert first == first.lower()
    assert (store.get(first), store.get(second.upper())) == (b"one", b"two")


def test_same_bytes_are_stored_once(store, location, monkeypatch):
    image_uuid, is_new = store.put_once(b"picture", "png")
    assert is_new
    assert is_uuid4(image_uuid)
    other, _ = store.put_once(b"another", "png")
    monkeypatch.setattr(type(store._backend.get()), "open_writer", lambda *_: pytest.fail("it was written again"))
    assert ImageStore(location).put_once(b"picture", "png") == (image_uuid, False)
    assert stored_files(store) == {f"{image_uuid}.png", f"{other}.png"}
    assert store.get(image_uuid) == b"picture"


def test_same_bytes_can_be_stored_again_after_they_were_deleted_or_expired(location, pass_time):
    store = ImageStore(location, ttl=100)
    image_uuid, _ = store.put_once(b"picture", "png")
    store.delete(image_uuid)
    assert store.put_once(b"picture", "png") == (image_uuid, True)
    pass_time(101)
    assert store.put_once(b"picture", "png") == (image_uuid, True)


def test_storing_the_same_bytes_renews_them(location):
    store = ImageStore(location, ttl=100)
    image_uuid, _ = store.put_once(b"picture", "png")
    backend = store._backend.get()
    before = time.time() - 60
    if isinstance(backend, LocalFolder):
        set_age(store, image_uuid, 60)
    else:
        backend._fs.store[backend._path(f"{image_uuid}.png")].modified = datetime.fromtimestamp(before, UTC)
    store.put_once(b"picture", "png")
    assert backend.modified(f"{image_uuid}.png") > before + 30


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "gif", "tiff", "bmp", "avif", "heic"])
def test_every_extension_is_found(store, extension):
    image_uuid = store.put(b"x", extension)
    assert store.url(image_uuid.upper()).endswith(f"{image_uuid}.{extension}")
    assert store.get(image_uuid) == b"x"


def test_other_extensions_are_refused(store):
    with pytest.raises(ValueError, match="extension"):
        store.put(b"x", "../png")


@pytest.mark.parametrize("action", ["get", "url", "delete"])
@pytest.mark.parametrize("name", [ABSENT, NOT_VERSION_4, "../../etc/passwd", "", "*"])
def test_unknown_image_raises_source_error(store, action, name):
    store.put(b"x", "png")
    with pytest.raises(SourceError, match="no image") as caught:
        getattr(store, action)(name)
    assert caught.value.code == "invalidInputImage"


def test_delete(store):
    kept, deleted = store.put(b"kept", "jpg"), store.put(b"x", "webp")
    store.delete(deleted.upper())
    for action in (store.get, store.url, store.delete):
        with pytest.raises(SourceError, match="no image") as caught:
            action(deleted)
        assert caught.value.code == "invalidInputImage"
    assert stored_files(store) == {f"{kept}.jpg"}


@pytest.mark.parametrize("address", ["https://img.example.org/results", "https://img.example.org/results/"])
def test_public_url_is_preferred(location, address):
    store = ImageStore(location, public_url=address)
    image_uuid = store.put(b"x", "webp")
    assert store.url(image_uuid.upper()) == f"https://img.example.org/results/{image_uuid}.webp"
    with pytest.raises(SourceError, match="no image"):
        store.url(str(uuid.uuid4()))


def test_processes_share_a_folder(tmp_path):
    program = textwrap.dedent("""
        import sys
        from tilewright.store.image_store import ImageStore
        store = ImageStore(sys.argv[1])
        for number in range(20):
            print(store.put(f"{sys.argv[2]}-{number}".encode() * 1000, "png"))
    """)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "new"), name], stdout=subprocess.PIPE, text=True
        )
        for name in "ab"
    ]
    kept = {name: worker.communicate()[0].split() for name, worker in zip("ab", workers, strict=True)}
    store = ImageStore(tmp_path / "new")
    for name, image_uuids in kept.items():
        assert [store.get(each) for each in image_uuids] == [f"{name}-{number}".encode() * 1000 for number in range(20)]
    assert len(list((tmp_path / "new").iterdir())) == 40


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, step):
    store = ImageStore(tmp_path)
    monkeypatch.setattr(step, full_disk)
    with pytest.raises(StoreError, match="No space left on device"):
        store.put(b"x" * 10_000, "png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit")
def test_truncated_write_leaves_nothing_behind(tmp_path):
    program = textwrap.dedent("""
        import resource, sys
        from tilewright.errors import StoreError
        from tilewright.store.image_store import ImageStore
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        store = ImageStore(sys.argv[1])
        kept = store.put(b"small", "png")
        try:
            store.put(b"x" * 100_000, "png")
        except StoreError as error:
            print(store.get(kept).decode(), "File too large" in str(error))
    """)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["small", "True"]
    assert len(list(tmp_path.iterdir())) == 1


def test_location_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "images").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be written"):
        ImageStore(tmp_path / "images").put(b"x", "png")


def test_results_in_the_default_format_are_looked_up_first():
    """In an object store, each look-up is a request."""
    image_uuid = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    assert file_names(image_uuid)[:2] == [f"{image_uuid}.jpg", f"temporary-{image_uuid}.jpg"]
