"""The image store: whole images or none, from any number of processes, never outside its folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tilewright.errors import SourceError, StoreError
from tilewright.store.image_store import ImageStore, is_uuid4

HOUR = 3600


@pytest.fixture(params=["folder", "memory"])
def location(request, tmp_path):
    return str(tmp_path / "images") if request.param == "folder" else f"memory://{uuid.uuid4()}/images"


@pytest.fixture
def store(location):
    return ImageStore(location)


def files(store):
    file_system, root = fsspec.core.url_to_fs(store.location)
    return {Path(name).name for name in file_system.find(root)}


def age(store, image_uuid, seconds):
    path = Path(unquote(urlsplit(ImageStore(store.location).url(image_uuid)).path))
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_what_is_put_comes_back_in_any_letter_case(store):
    first, second = store.put(b"one", "png"), store.put(b"two", "jpg")
    assert first != second
    assert is_uuid4(first)
    assert first == first.lower()
    assert (store.get(first), store.get(second.upper())) == (b"one", b"two")


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "gif"])
def test_every_kind_is_found_again(store, extension):
    image_uuid = store.put(b"x", extension)
    assert store.url(image_uuid.upper()).endswith(f"{image_uuid}.{extension}")
    assert store.get(image_uuid) == b"x"


def test_other_kinds_are_refused(store):
    with pytest.raises(ValueError, match="extension"):
        store.put(b"x", "../png")


ABSENT = "28ac6f2a-708c-4e19-8016-885cefcca55c"
NOT_VERSION_4 = "e9f7fa64-ec8e-11f1-97a6-02fc00000001"


@pytest.mark.parametrize("action", ["get", "url", "delete"])
@pytest.mark.parametrize("name", [ABSENT, NOT_VERSION_4, "../../etc/passwd", "", "*"])
def test_an_unknown_image_is_a_fault_of_the_request(store, action, name):
    store.put(b"x", "png")
    with pytest.raises(SourceError, match="no image") as caught:
        getattr(store, action)(name)
    assert caught.value.code == "invalidInputImage"


def test_a_local_url_opens_whatever_the_folder_is_called(tmp_path):
    store = ImageStore(tmp_path / "my pictures %20 #1 ä")
    url = store.url(store.put(b"content", "png"))
    assert url.startswith("file:///")
    assert url.isascii()
    assert not set(" #") & set(url)
    assert Path(unquote(urlsplit(url).path)).read_bytes() == b"content"


def test_a_file_url_names_a_folder(tmp_path):
    folder = tmp_path / "my pictures"
    image_uuid = ImageStore(folder.as_uri()).put(b"x", "png")
    assert ImageStore(folder).get(image_uuid) == b"x"


def test_a_relative_folder_does_not_move_with_the_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = ImageStore("images")
    image_uuid = store.put(b"x", "png")
    monkeypatch.chdir("/")
    assert store.get(image_uuid) == b"x"


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    ImageStore("~/images").put(b"x", "png")
    assert len(list((tmp_path / "images").iterdir())) == 1


def test_an_unknown_kind_of_url_is_an_error():
    with pytest.raises(StoreError, match="nosuchscheme"):
        ImageStore("nosuchscheme://images")


def test_fsspecs_other_name_for_local_files_is_a_folder_too(tmp_path):
    image_uuid = ImageStore(f"local://{tmp_path}/images").put(b"x", "png")
    assert ImageStore(tmp_path / "images").url(image_uuid).startswith("file://")


def test_files_get_the_permissions_of_ordinary_new_files(tmp_path):
    ImageStore(tmp_path / "store").put(b"x", "png")
    (tmp_path / "ordinary").write_bytes(b"x")
    [kept] = (tmp_path / "store").iterdir()
    assert kept.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, step):
    store = ImageStore(tmp_path)
    monkeypatch.setattr(step, full_disk)
    with pytest.raises(StoreError, match="No space left on device"):
        store.put(b"x" * 10_000, "png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to run into")
def test_a_write_that_the_system_cuts_short_leaves_nothing_behind(tmp_path):
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


def test_a_store_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "images").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be written"):
        ImageStore(tmp_path / "images").put(b"x", "png")


def test_many_processes_share_a_folder(tmp_path):
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


def test_what_is_deleted_is_gone(store):
    kept, deleted = store.put(b"kept", "jpg"), store.put(b"x", "webp")
    store.delete(deleted.upper())
    for action in (store.get, store.url, store.delete):
        with pytest.raises(SourceError, match="no image") as caught:
            action(deleted)
        assert caught.value.code == "invalidInputImage"
    assert files(store) == {f"{kept}.jpg"}


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_a_time_to_live_that_is_none_is_refused(tmp_path, ttl):
    with pytest.raises(ValueError, match="ttl"):
        ImageStore(tmp_path, ttl=ttl)


def test_an_image_counts_as_gone_when_its_time_has_passed_and_is_removed_later(location, pass_time):
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
    assert files(store) == {f"{image_uuid}.png"}
    pass_time(60)
    assert store.expire() == 1
    assert files(store) == set()


def test_an_expired_image_is_deleted_as_one_that_is_not_there(location, pass_time):
    store = ImageStore(location, ttl=HOUR)
    image_uuid = store.put(b"x", "png")
    pass_time(HOUR + 1)
    with pytest.raises(SourceError, match="no image"):
        store.delete(image_uuid)
    assert files(store) == set()


def test_without_a_time_to_live_nothing_expires(store, pass_time):
    image_uuid = store.put(b"x", "png")
    pass_time(10**9)
    assert store.expire() == 0
    assert store.get(image_uuid) == b"x"


@pytest.mark.parametrize("action", ["get", "url"])
def test_use_renews_an_image_in_a_folder(tmp_path, action):
    store = ImageStore(tmp_path, ttl=HOUR)
    used, unused = store.put(b"x", "png"), store.put(b"y", "png")
    for image_uuid in (used, unused):
        age(store, image_uuid, HOUR - 60)
    getattr(store, action)(used)
    for path in tmp_path.iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 180))
    assert store.expire() == 1
    assert files(store) == {f"{used}.png"}


def test_reading_does_not_prolong_what_cannot_be_touched(pass_time):
    store = ImageStore(f"memory://{uuid.uuid4()}", ttl=HOUR)
    image_uuid = store.put(b"x", "png")
    pass_time(HOUR - 60)
    assert store.get(image_uuid) == b"x"
    pass_time(120)
    with pytest.raises(SourceError, match="no image"):
        store.get(image_uuid)


def test_images_of_a_folder_that_may_only_be_read_can_be_read(tmp_path, monkeypatch):
    store = ImageStore(tmp_path, ttl=HOUR)
    image_uuid = store.put(b"x", "png")

    def refuse(*_):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.utime", refuse)
    assert store.get(image_uuid) == b"x"


def test_expiry_touches_nothing_but_images_and_old_left_overs(tmp_path):
    store = ImageStore(tmp_path, ttl=HOUR)
    names = {
        f"{uuid.uuid4()}.txt",
        f"{uuid.uuid1()}.png",
        "photo.png",
        f"{uuid.uuid4()}.png.bak",
        ".hidden.partial",
        f".{uuid.uuid4().hex}.partial.old",
    }
    old, young = f".{uuid.uuid4().hex}.partial", f".{uuid.uuid4().hex}.partial"
    for name in (*names, old, young):
        (tmp_path / name).write_bytes(b"x")
        seconds = HOUR - 60 if name == young else 2 * HOUR
        os.utime(tmp_path / name, (time.time() - seconds, time.time() - seconds))
    assert store.expire() == 0
    assert files(store) == names | {young}


def test_left_overs_go_from_a_store_whose_images_stay(tmp_path):
    left_over = tmp_path / f".{uuid.uuid4().hex}.partial"
    left_over.write_bytes(b"x")
    os.utime(left_over, (0, 0))
    assert ImageStore(tmp_path).expire() == 0
    assert not left_over.exists()


def test_a_store_that_was_never_written_has_nothing_to_expire(location):
    assert ImageStore(location, ttl=1).expire() == 0


def test_putting_expires_now_and_then(location, pass_time, monkeypatch):
    calls = []
    monkeypatch.setattr(ImageStore, "expire", lambda store: calls.append(store.ttl) or 0)
    for ttl, at_once in ((1, [1]), (None, [])):
        calls.clear()
        store = ImageStore(location, ttl=ttl)
        for _ in range(3):
            store.put(b"x", "png")
        assert calls == at_once
        pass_time(HOUR + 1)
        for _ in range(3):
            store.put(b"x", "png")
        assert calls == [*at_once, ttl]


def test_an_expiry_that_fails_does_not_stop_a_put(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("os.scandir", refuse)
    store = ImageStore(tmp_path, ttl=HOUR)
    assert store.get(store.put(b"x", "png")) == b"x"
    assert "Permission denied" in caplog.text
    with pytest.raises(StoreError, match="Permission denied"):
        store.expire()


def test_one_image_that_may_not_be_removed_keeps_no_other(tmp_path, monkeypatch):
    store = ImageStore(tmp_path, ttl=HOUR)
    kept, *others = (store.put(b"x", "png") for _ in range(6))
    for image_uuid in (kept, *others):
        age(store, image_uuid, 2 * HOUR)
    unlink = Path.unlink

    def refuse_one(path, missing_ok=False):
        if path.name == f"{kept}.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    with pytest.raises(StoreError, match="Permission denied"):
        store.expire()
    assert files(store) == {f"{kept}.png"}


def test_many_may_expire_one_folder_at_once(tmp_path):
    store = ImageStore(tmp_path, ttl=HOUR)
    for _ in range(200):
        age(store, store.put(b"x", "png"), 2 * HOUR)
    start = threading.Barrier(4)
    removed = []

    def expire():
        start.wait()
        removed.append(ImageStore(tmp_path, ttl=HOUR).expire())

    threads = [threading.Thread(target=expire) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(removed) == 200
    assert len(removed) == 4
    assert files(store) == set()


@pytest.mark.parametrize("address", ["https://img.example.org/results", "https://img.example.org/results/"])
def test_a_public_url_goes_before_the_stores_own(location, address):
    store = ImageStore(location, public_url=address)
    image_uuid = store.put(b"x", "webp")
    assert store.url(image_uuid.upper()) == f"https://img.example.org/results/{image_uuid}.webp"
    with pytest.raises(SourceError, match="no image"):
        store.url(str(uuid.uuid4()))


class OtherFileSystem(MemoryFileSystem):
    """A file system of our own under a protocol of its own."""

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix(f"{cls.protocol}://"))


class SignedFileSystem(OtherFileSystem):
    protocol = "signed"

    def sign(self, path, expiration=100, **_):
        return f"https://storage.example.org{self._strip_protocol(path)}?expires={expiration}"


@pytest.mark.parametrize(("ttl", "seconds"), [(90.5, 90), (0.5, 1), (10**9, 604_800), (None, 604_800)])
def test_a_url_is_signed_for_the_time_to_live(ttl, seconds):
    fsspec.register_implementation("signed", SignedFileSystem, clobber=True)
    store = ImageStore("signed://images", ttl=ttl)
    image_uuid = store.put(b"x", "png")
    assert store.url(image_uuid) == f"https://storage.example.org/images/{image_uuid}.png?expires={seconds}"


class FoldersFileSystem(OtherFileSystem):
    """Like SFTP: no file without its folder."""

    protocol = "folders"

    def pipe_file(self, path, value, **_):
        if self._parent(self._strip_protocol(path)) not in self.pseudo_dirs:
            raise FileNotFoundError(path)
        super().pipe_file(path, value)


def test_a_remote_folder_is_made_but_no_bucket():
    fsspec.register_implementation("folders", FoldersFileSystem, clobber=True)
    name = str(uuid.uuid4())
    store = ImageStore(f"folders://{name}/images")
    assert store.get(store.put(b"x", "png")) == b"x"
    with pytest.raises(StoreError, match="cannot be written"):
        ImageStore(f"folders://{uuid.uuid4()}").put(b"x", "png")


class BrokenFileSystem(OtherFileSystem):
    """As drivers do: any kind of error, from any call."""

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
def test_whatever_a_driver_raises_is_a_store_error(monkeypatch, action, error):
    fsspec.register_implementation("broken", BrokenFileSystem, clobber=True)
    monkeypatch.setattr(BrokenFileSystem, "error", error)
    with pytest.raises(StoreError, match="broken://images") as caught:
        action(ImageStore("broken://images", ttl=HOUR))
    assert caught.value.__cause__ is error
    assert (str(error) or "TimeoutError") in caught.value.message


def test_errors_show_no_password(monkeypatch):
    fsspec.register_implementation("broken", BrokenFileSystem, clobber=True)
    monkeypatch.setattr(BrokenFileSystem, "error", PermissionError("Forbidden"))
    store = ImageStore("broken://ada:secret@images")
    for action in (lambda: store.put(b"x", "png"), lambda: store.get("no UUID")):
        with pytest.raises((StoreError, SourceError)) as caught:
            action()
        assert "broken://images" in caught.value.message
        assert "secret" not in caught.value.message
