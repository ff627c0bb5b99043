"""Time to live: when images expire, and what a cleanup removes."""

from __future__ import annotations

import errno
import os
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.store import HOUR, set_age, stored_files
from support.threads import run_in_threads
from tilewright.errors import SourceError, StoreError
from tilewright.store.image_store import ImageStore, StoreUsage


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_invalid_ttl_is_refused(tmp_path, ttl):
    with pytest.raises(ValueError, match="ttl"):
        ImageStore(tmp_path, ttl=ttl)


def test_expired_image_is_not_found_and_is_removed_a_minute_later(location, pass_time):
    store = ImageStore(location, ttl=HOUR)
    image_uuid = store.put(b"x", "png")
    pass_time(HOUR - 5)
    assert store.expire() == 0
    assert ImageStore(location, ttl=HOUR).url(image_uuid)
    pass_time(10)
    for action in (store.get, store.url):
        with pytest.raises(SourceError, match="no image"):
            action(image_uuid)
    assert store.expire() == 0
    assert stored_files(store) == {f"{image_uuid}.png"}
    pass_time(60)
    assert store.expire() == 1
    assert stored_files(store) == set()


def test_delete_of_an_expired_image_raises_and_removes_it(location, pass_time):
    store = ImageStore(location, ttl=HOUR)
    image_uuid = store.put(b"x", "png")
    pass_time(HOUR + 1)
    with pytest.raises(SourceError, match="no image"):
        store.delete(image_uuid)
    assert stored_files(store) == set()


def test_without_ttl_nothing_expires(store, pass_time):
    image_uuid = store.put(b"x", "png")
    pass_time(10**9)
    assert store.expire() == 0
    assert store.get(image_uuid) == b"x"


@pytest.mark.parametrize("action", ["get", "url"])
def test_reading_renews_an_image_in_a_folder(tmp_path, action):
    store = ImageStore(tmp_path, ttl=HOUR)
    used, unused = store.put(b"x", "png"), store.put(b"y", "png")
    for image_uuid in (used, unused):
        set_age(store, image_uuid, HOUR - 60)
    getattr(store, action)(used)
    for path in tmp_path.iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 180))
    assert store.expire() == 1
    assert stored_files(store) == {f"{used}.png"}


def test_reading_does_not_renew_an_image_in_a_remote_store(pass_time):
    store = ImageStore(f"memory://{uuid.uuid4()}", ttl=HOUR)
    image_uuid = store.put(b"x", "png")
    pass_time(HOUR - 60)
    assert store.get(image_uuid) == b"x"
    pass_time(120)
    with pytest.raises(SourceError, match="no image"):
        store.get(image_uuid)


def test_images_in_a_read_only_folder_can_be_read(tmp_path, monkeypatch):
    store = ImageStore(tmp_path, ttl=HOUR)
    image_uuid = store.put(b"x", "png")

    def refuse(*_):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.utime", refuse)
    assert store.get(image_uuid) == b"x"


def test_expire_removes_only_images_and_old_partial_files(tmp_path):
    store = ImageStore(tmp_path, ttl=HOUR)
    names = {
        f"{uuid.uuid4()}.txt",
        f"{uuid.uuid1()}.png",
        "photo.png",
        f"{uuid.uuid4()}.png.bak",
        ".hidden.partial",
        f".{uuid.uuid4().hex}.partial.old",
    }
    old, recent = f".{uuid.uuid4().hex}.partial", f".{uuid.uuid4().hex}.partial"
    for name in (*names, old, recent):
        (tmp_path / name).write_bytes(b"x")
        seconds = HOUR - 60 if name == recent else 2 * HOUR
        os.utime(tmp_path / name, (time.time() - seconds, time.time() - seconds))
    assert store.expire() == 0
    assert stored_files(store) == names | {recent}


def test_expire_removes_partial_files_without_ttl(tmp_path):
    partial = tmp_path / f".{uuid.uuid4().hex}.partial"
    partial.write_bytes(b"x")
    os.utime(partial, (0, 0))
    assert ImageStore(tmp_path).expire() == 0
    assert not partial.exists()


def test_temporary_images_expire_after_a_day(location, pass_time):
    store = ImageStore(location)
    kept = store.put(b"kept", "png")
    with store.writer("png", temporary=True) as image:
        image.write(b"x")
    pass_time(23 * HOUR)
    assert store.expire() == 0
    assert store.get(image.uuid.upper()) == b"x"
    pass_time(2 * HOUR)
    for action in (store.get, store.url, store.delete):
        with pytest.raises(SourceError, match="no image"):
            action(image.uuid)
    assert store.expire() == 0, "deleting an expired image removes it"
    assert stored_files(store) == {f"{kept}.png"}


def test_temporary_images_are_removed_without_listing_the_others(location, pass_time, monkeypatch):
    store = ImageStore(location)
    store.put(b"kept", "png")
    with store.writer("webp", temporary=True) as image:
        image.write(b"x")
    prefixes = []
    list_files = type(store._backend.get()).list_files
    monkeypatch.setattr(
        type(store._backend.get()),
        "list_files",
        lambda self, prefix="": prefixes.append(prefix) or list_files(self, prefix),
    )
    pass_time(24 * HOUR + 61)
    assert store.expire() == 1
    assert prefixes == ["temporary-", "record-"]
    assert len(stored_files(store)) == 1


def test_shorter_ttl_holds_for_temporary_images(location, pass_time):
    store = ImageStore(location, ttl=HOUR)
    with store.writer("png", temporary=True) as image:
        image.write(b"x")
    pass_time(HOUR + 1)
    with pytest.raises(SourceError, match="no image"):
        store.get(image.uuid)


def test_clock_that_is_set_ahead_expires_nothing(location, monkeypatch):
    store = ImageStore(location, ttl=HOUR)
    image_uuid = store.put(b"x", "png")
    clock = SimpleNamespace(time=lambda: time.time() + 2 * HOUR, monotonic=time.monotonic)
    monkeypatch.setattr("tilewright.store.image_store.time", clock)
    assert store.expire() == 0
    assert store.get(image_uuid) == b"x"


def test_clean_removes_what_was_not_used(tmp_path):
    store = ImageStore(tmp_path)
    old, recent = store.put(b"old", "png"), store.put(b"recent", "jpg")
    with store.writer("png", temporary=True) as image:
        image.write(b"12345")
    set_age(store, old, 10 * HOUR)
    (tmp_path / "notes.txt").write_bytes(b"kept")
    assert store.usage() == StoreUsage(images=3, bytes=14, temporary=1)
    assert store.clean(unused_for=9 * HOUR) == 1
    assert stored_files(store) == {f"{recent}.jpg", f"temporary-{image.uuid}.png", "notes.txt"}
    assert store.clean() == 2
    assert stored_files(store) == {"notes.txt"}
    assert store.usage() == StoreUsage(images=0, bytes=0, temporary=0)


def test_expire_of_an_empty_store(location):
    assert ImageStore(location, ttl=1).expire() == 0


def test_put_expires_at_most_once_an_hour(location, pass_time, monkeypatch):
    calls = []
    monkeypatch.setattr(ImageStore, "expire", lambda store: calls.append(store.ttl) or 0)
    for ttl in (1, None):
        calls.clear()
        store = ImageStore(location, ttl=ttl)
        for _ in range(3):
            store.put(b"x", "png")
        assert calls == [ttl]
        pass_time(HOUR + 1)
        for _ in range(3):
            store.put(b"x", "png")
        assert calls == [ttl, ttl]


def test_failed_expiry_does_not_stop_put(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("os.scandir", refuse)
    store = ImageStore(tmp_path, ttl=HOUR)
    assert store.get(store.put(b"x", "png")) == b"x"
    assert "Permission denied" in caplog.text
    with pytest.raises(StoreError, match="Permission denied"):
        store.expire()


def test_image_that_cannot_be_removed_does_not_keep_others(tmp_path, monkeypatch):
    store = ImageStore(tmp_path, ttl=HOUR)
    kept, *others = (store.put(b"x", "png") for _ in range(6))
    for image_uuid in (kept, *others):
        set_age(store, image_uuid, 2 * HOUR)
    unlink = Path.unlink

    def refuse_one(path, missing_ok=False):
        if path.name == f"{kept}.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    with pytest.raises(StoreError, match="Permission denied"):
        store.expire()
    assert stored_files(store) == {f"{kept}.png"}


def test_concurrent_expiry_of_one_folder(tmp_path):
    store = ImageStore(tmp_path, ttl=HOUR)
    for _ in range(200):
        set_age(store, store.put(b"x", "png"), 2 * HOUR)
    start = threading.Barrier(4)
    removed = []

    def expire():
        start.wait()
        removed.append(ImageStore(tmp_path, ttl=HOUR).expire())

    run_in_threads(*[expire] * 4)
    assert sum(removed) == 200
    assert len(removed) == 4
    assert stored_files(store) == set()
