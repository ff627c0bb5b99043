"""Disks and stores that fail, where possible because limits and permissions make the system itself fail."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

import pytest

from support.faults import FORMATS, PICTURE, done, failing_at, fault_of, raising, task
from tilewright.store import ImageStore

needs_permissions = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def file_size_limited(limit):
    """Limits the size of files to some bytes, so that the system refuses in the middle of a write."""
    resource = pytest.importorskip("resource")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@contextlib.contextmanager
def no_permission(folder):
    """Takes away the permission to write to a folder."""
    if os.geteuid() == 0:
        folder.chmod(0o755)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        folder.chmod(0o500)
        try:
            yield
        finally:
            folder.chmod(0o700)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_result_larger_than_the_disk(upscaler, file_format):
    with file_size_limited(len(PICTURE) + 1):
        code, parameter, message = fault_of(upscaler, task(file_format))
    assert (code, parameter) == ("internalServerError", None)
    assert "cannot be written" in message
    assert "File too large" in message


@pytest.mark.usefixtures("unharmed")
def test_an_input_larger_than_the_disk(upscaler):
    with file_size_limited(len(PICTURE) - 1):
        code, _, message = fault_of(upscaler, task())
    assert code == "internalServerError"
    assert "cannot be written" in message


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
@pytest.mark.parametrize("number", [0, 1], ids=["input", "result"])
def test_a_disk_that_is_full_when_the_file_is_finished(upscaler, monkeypatch, owner, name, number):
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing_at(number, getattr(owner, name), raising(FULL)))
        code, _, message = fault_of(upscaler, task())
    assert code == "internalServerError"
    assert "cannot be written: [Errno 28] No space left on device" in message


@pytest.mark.usefixtures("unharmed")
@needs_permissions
def test_a_store_without_write_permission(upscaler, folder):
    with no_permission(folder):
        code, parameter, message = fault_of(upscaler, task())
    assert (code, parameter) == ("internalServerError", None)
    assert "cannot be written: [Errno 13] Permission denied" in message


@pytest.mark.usefixtures("unharmed")
@needs_permissions
def test_write_permission_lost_during_a_task(upscaler, folder, at_tile):
    """Files that cannot be removed at once are removed when the store is tidied."""
    with contextlib.ExitStack() as stack:
        at_tile(1, lambda: stack.enter_context(no_permission(folder)))
        [error] = upscaler.run(task())["errors"]
    assert error["code"] == "internalServerError"
    assert "cannot be written: [Errno 13] Permission denied" in error["message"]
    left_over = [path for path in folder.iterdir() if path.suffix == ".partial"]
    for path in left_over:
        os.utime(path, (0, 0))
    assert len(left_over) == 1
    upscaler.store.expire()


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_store_removed_during_a_task(upscaler, folder, at_tile, file_format):
    at_tile(1, lambda: shutil.rmtree(folder))
    [error] = upscaler.run(task(file_format))["errors"]
    folder.mkdir(exist_ok=True)
    assert error["code"] == "internalServerError"
    assert "cannot be written: [Errno 2] No such file or directory" in error["message"]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_store_tidied_while_a_task_waits_for_hours(upscaler, folder, at_tile, file_format):
    """Another process may tidy the store meanwhile. A file's age does not mean that its writer has crashed."""

    def let_hours_pass():
        for path in folder.glob(".*.partial"):
            os.utime(path, (0, 0))
        ImageStore(folder).expire()

    at_tile(1, let_hours_pass)
    done(upscaler, task(file_format))


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("output_type", ["base64Data", "URL"])
@pytest.mark.parametrize("kind", ["imageUpscale", "imageUpload"])
def test_a_file_removed_before_the_response(upscaler, monkeypatch, kind, output_type):
    """The request is not at fault, so the error names no parameter."""
    replace = Path.replace

    def replace_and_remove(path, target):
        replace(path, target)
        target.unlink()

    request = task() if kind == "imageUpscale" else {"taskType": kind, "taskUUID": task()["taskUUID"], "image": PICTURE}
    if kind == "imageUpscale":
        request["outputType"] = output_type
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_and_remove)
        [error] = upscaler.run(request)["errors"]
    assert error["code"] == "internalServerError"
    assert "parameter" not in error
    assert "no longer in the store" in error["message"]


@pytest.mark.usefixtures("unharmed")
def test_a_result_that_cannot_be_read_back_is_rolled_back(upscaler, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", raising(OSError(errno.EIO, os.strerror(errno.EIO))))
        [error] = upscaler.run(task())["errors"]
    assert error["code"] == "internalServerError"
    assert "cannot be read: [Errno 5] Input/output error" in error["message"]
