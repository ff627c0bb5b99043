"""The image store: whole images or none, from any number of processes, never outside its folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tilewright.errors import SourceError, StoreError
from tilewright.store import ImageStore, is_uuid4


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return ImageStore(tmp_path / "images" if request.param == "folder" else f"memory://{uuid.uuid4()}/images")


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


@pytest.mark.parametrize("action", ["get", "url"])
@pytest.mark.parametrize("name", [str(uuid.uuid4()), str(uuid.uuid1()), "../../etc/passwd", "", "*"])
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
        from tilewright.store import ImageStore
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
        from tilewright.store import ImageStore
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
