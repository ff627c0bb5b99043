"""Whatever fails: the task has its documented error, the next one works, and nothing is left behind.

Files, threads and handles are counted before and after. Where the system can be made to fail by itself it is: by limits
of the process and by permissions.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilewright
from tilewright import Upscaler
from tilewright.codecs import png, vips
from tilewright.errors import CancelledError, InferenceError
from tilewright.testing import FakeSession, make_picture

FORMATS = ("PNG", "JPG", "WEBP")

# A result of several strips, so that an encoder can fail in the middle of a file.
STRIP_BYTES = 1 << 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults") / "images"


@pytest.fixture(scope="module")
def upscaler(folder):
    """Nine tiles a picture, a network that takes no time, and a store on a disk."""
    session = FakeSession()
    with pytest.MonkeyPatch.context() as patch, Upscaler(device="cpu", tile=40, store=folder) as upscaler:
        patch.setattr(png, "_STRIP_BYTES", STRIP_BYTES)
        patch.setattr(upscaler._networks, "session", lambda *_: session)
        yield upscaler


def file_of(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return file.getvalue()


PICTURE = file_of(make_picture(100, 100))


def task(file_format="PNG", **fields):
    return tilewright.new_task(PICTURE, 2, outputFormat=file_format, outputType="base64Data", **fields)


def threads(upscaler):
    """The threads there are, but for those that wait for tasks to answer later."""
    pool = upscaler._runner._deliveries._pool
    return {thread.name for thread in set(threading.enumerate()) - (pool._threads if pool else set())}


def handles():
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


@pytest.fixture
def unharmed(upscaler, folder):
    """Compares before and after, and has the same tasks done again: they give the same bytes as ever."""
    usual = {name: done(upscaler, task(name)) for name in FORMATS}
    before = threads(upscaler), handles(), sorted(folder.iterdir())
    yield
    assert not upscaler._runner._under_way
    assert (threads(upscaler), handles(), sorted(folder.iterdir())) == before
    for name in FORMATS:
        assert done(upscaler, task(name)) == usual[name]


def done(upscaler, request):
    """The result of a task that works, which is not kept."""
    reply = upscaler.run(request)
    assert "errors" not in reply
    [item] = reply["data"]
    for name in ("imageUUID", "inputImageUUID"):
        upscaler.store.delete(item[name])
    return item["imageBase64Data"]


def fault_of(upscaler, request):
    """The error of a task that fails, the same whether it is waited for or asked about later."""
    [error] = upscaler.run(request)["errors"]
    later = {**request, "deliveryMethod": "async"}
    assert "errors" not in upscaler.run(later)
    upscaler._runner.wait()
    [again] = upscaler.run({"taskType": "getResponse", "taskUUID": request["taskUUID"]})["errors"]
    assert again == {**error, "status": "error"}
    return error["code"], error.get("parameter"), error["message"]


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


def failing_at(number, function, fail):
    """A function that does its work, but for one call."""
    calls = itertools.count()

    def call(*arguments, **options):
        if next(calls) % (number + 1) == number:
            fail()
        return function(*arguments, **options)

    return call


# Disks


@contextlib.contextmanager
def files_limited(limit):
    """No file may grow larger: the system's own refusal, in the middle of a write."""
    resource = pytest.importorskip("resource")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_disk_that_takes_no_more_of_a_result(upscaler, file_format):
    with files_limited(len(PICTURE) + 1):
        code, parameter, message = fault_of(upscaler, task(file_format))
    assert (code, parameter) == ("internalServerError", None)
    assert "cannot be written" in message
    assert "File too large" in message


@pytest.mark.usefixtures("unharmed")
def test_a_disk_that_takes_no_more_of_an_input(upscaler):
    with files_limited(len(PICTURE) - 1):
        code, _, message = fault_of(upscaler, task())
    assert code == "internalServerError"
    assert "cannot be written" in message


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("number", [0, 1], ids=["of the input", "of the result"])
def test_a_full_disk_at_the_last_moment(upscaler, monkeypatch, step, number):
    full = raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    owner, name = (os, "fsync") if step == "os.fsync" else (Path, "replace")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing_at(number, getattr(owner, name), full))
        code, _, message = fault_of(upscaler, task())
    assert code == "internalServerError"
    assert "cannot be written: [Errno 28] No space left on device" in message


@contextlib.contextmanager
def no_permission(folder):
    """The folder is somebody else's."""
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
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no permissions that can be taken away")
def test_a_store_that_may_not_be_written(upscaler, folder):
    with no_permission(folder):
        code, parameter, message = fault_of(upscaler, task())
    assert (code, parameter) == ("internalServerError", None)
    assert "cannot be written: [Errno 13] Permission denied" in message


@pytest.mark.usefixtures("unharmed")
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no permissions that can be taken away")
def test_a_permission_that_is_lost_while_a_picture_is_made(upscaler, folder, at_tile):
    """What cannot be removed now goes when the store is tidied."""
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
    for path in folder.glob("*.jpg"):  # the input, which could not be taken back either
        path.unlink()


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_store_that_vanishes_while_a_picture_is_made(upscaler, folder, at_tile, file_format):
    at_tile(1, lambda: shutil.rmtree(folder))
    [error] = upscaler.run(task(file_format))["errors"]
    folder.mkdir(exist_ok=True)
    assert error["code"] == "internalServerError"
    assert "cannot be written: [Errno 2] No such file or directory" in error["message"]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("output_type", ["base64Data", "URL"])
@pytest.mark.parametrize("kind", ["imageUpscale", "imageUpload"])
def test_a_store_that_vanishes_before_the_answer(upscaler, monkeypatch, kind, output_type):
    """No fault of the request's: it must not look like one."""
    replace = Path.replace

    def gone_at_once(path, target):
        replace(path, target)
        target.unlink()

    request = task() if kind == "imageUpscale" else {"taskType": kind, "taskUUID": task()["taskUUID"], "image": PICTURE}
    if kind == "imageUpscale":
        request["outputType"] = output_type
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", gone_at_once)
        [error] = upscaler.run(request)["errors"]
    assert error["code"] == "internalServerError"
    assert "parameter" not in error
    assert "no longer in the store" in error["message"]


@pytest.mark.usefixtures("unharmed")
def test_a_result_that_cannot_be_read_back_is_taken_back(upscaler, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", raising(OSError(errno.EIO, os.strerror(errno.EIO))))
        [error] = upscaler.run(task())["errors"]
    assert error["code"] == "internalServerError"
    assert "cannot be read: [Errno 5] Input/output error" in error["message"]


# Networks


@pytest.fixture
def at_tile(upscaler, monkeypatch):
    """Has something done, or raised, before the network runs a tile, in this test's pictures."""

    def arrange(number, do):
        watched = _Watched(upscaler._networks.session("auto", 2, "auto"), number, do)
        monkeypatch.setattr(upscaler._networks, "session", lambda *_: watched)

    return arrange


class _Watched:
    """A session that does something else before one of its runs; when that raises, before the same one again."""

    def __init__(self, session, number, do):
        self._session, self._number, self._do = session, number, do
        self._runs = 0

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, batch, result=None):
        self._runs += 1
        if self._runs == self._number + 1:
            try:
                self._do()
            except BaseException:
                self._runs = 0
                raise
        return self._session.run(batch, result)


@pytest.fixture(scope="module")
def tiles(upscaler):
    """Where in a picture something happens, to the number of the tile."""
    done(upscaler, task())
    count = upscaler.last_report.tiles
    assert count == 9
    return {"first": 0, "middle": count // 2, "last": count - 1}


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InferenceError("the network failed"), "the network failed"),
        (MemoryError("Unable to allocate 1 GiB"), "out of memory: Unable to allocate 1 GiB"),
        (RuntimeError("odd"), "unexpected failure: RuntimeError: odd"),
    ],
    ids=["runtime", "memory", "ours"],
)
def test_a_network_that_fails_in_a_picture(upscaler, at_tile, tiles, place, file_format, error, said):
    at_tile(tiles[place], raising(error))
    code, parameter, message = fault_of(upscaler, task(file_format))
    assert (code, parameter) == ("internalServerError", None)
    assert message.startswith(said)


# Memory


class _Starved:
    """NumPy without memory for new arrays, from one of them on."""

    def __init__(self, allowed):
        self._allowed = allowed

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, *arguments):
        self._allowed -= 1
        if self._allowed < 0:
            raise MemoryError(f"Unable to allocate an array with shape {arguments[0]}")
        return np.empty(*arguments)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("module", "allowed", "file_format"),
    [
        ("upscaler", 0, "JPG"),
        ("upscaler", 0, "WEBP"),
        ("engine.host.pipeline", 0, "PNG"),
        ("engine.host.pipeline", 1, "WEBP"),
        ("engine.sinks", 0, "PNG"),
        ("codecs.png", 0, "PNG"),
        ("codecs.png", 2, "PNG"),
    ],
)
def test_memory_that_is_not_there(upscaler, monkeypatch, module, allowed, file_format):
    upscaler._networks.buffers.clear()
    with monkeypatch.context() as patch:
        for _ in range(2):  # a supply for the task that is waited for, and one for the task that is not
            patch.setattr(f"tilewright.{module}.np", _Starved(allowed))
            [error] = upscaler.run(task(file_format))["errors"]
            assert error["code"] == "internalServerError"
            assert error["message"].startswith("out of memory: Unable to allocate an array")


SCARCE = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    import tilewright
    from tilewright import Upscaler
    from tilewright.testing import FakeSession, make_picture

    upscaler = Upscaler(device="cpu", tile=64, store=sys.argv[1])
    small = tilewright.new_task(make_picture(60, 60), 2, outputFormat=sys.argv[2])
    large = tilewright.new_task(make_picture(2000, 2000), 4, outputFormat=sys.argv[2])
    assert "errors" not in upscaler.run(small)
    files = len(list(Path(sys.argv[1]).iterdir()))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 100_000_000, resource.RLIM_INFINITY))
    [error] = upscaler.run(large)["errors"]
    print(error["code"], error["message"])
    assert len(list(Path(sys.argv[1]).iterdir())) == files
    assert "errors" not in upscaler.run(small)
""")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own account of memory")
@pytest.mark.parametrize("file_format", ["JPG", "WEBP"])
def test_a_machine_whose_memory_is_all_taken(tmp_path, file_format):
    ended = subprocess.run(
        [sys.executable, "-c", SCARCE, str(tmp_path), file_format], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("internalServerError out of memory: Unable to allocate"), ended.stdout


# Codecs and their threads


def broken_codec(file_format):
    return {
        "PNG": ("tilewright.codecs.png._deflate", RuntimeError("deflate failed")),
        "JPG": ("tilewright.codecs.encode.to_8_bit", vips().Error("unable to call jpegsave")),
        "WEBP": ("tilewright.codecs.encode.to_8_bit", vips().Error("unable to call webpsave")),
    }[file_format]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_encoder_that_fails(upscaler, monkeypatch, file_format):
    name, error = broken_codec(file_format)
    with monkeypatch.context() as patch:
        patch.setattr(name, raising(error))
        code, parameter, message = fault_of(upscaler, task(file_format))
    assert (code, parameter) == ("internalServerError", None)
    assert "failed" in message


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("number", [0, 3, 6])
def test_an_encoders_thread_that_fails_in_the_middle_of_a_file(upscaler, monkeypatch, number):
    with monkeypatch.context() as patch:
        patch.setattr(png, "_deflate", failing_at(number, png._deflate, raising(RuntimeError("deflate failed"))))
        [error] = upscaler.run(task())["errors"]
    assert error["code"] == "internalServerError"
    assert "deflate failed" in error["message"]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("end", [100, -40, -2])
def test_an_input_that_ends_too_soon(upscaler, end):
    code, parameter, message = fault_of(upscaler, {**task(), "inputImage": PICTURE[:end]})
    assert (code, parameter) == ("invalidInputImage", "inputImage")
    assert "corrupt or cut short" in message


@pytest.mark.usefixtures("unharmed")
def test_a_file_object_that_fails_while_it_is_read(upscaler):
    class Broken:
        def read(self, _size=-1):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    code, parameter, message = fault_of(upscaler, {**task(), "inputImage": Broken()})
    assert (code, parameter) == ("failedToTransferImage", "inputImage")
    assert "Input/output error" in message


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("name", ["tilewright-network", "tilewright-png"])
def test_a_thread_that_cannot_be_started(upscaler, monkeypatch, name):
    start = threading.Thread.start

    def refused(thread):
        if thread.name.startswith(name):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        code, parameter, message = fault_of(upscaler, task())
    assert (code, parameter) == ("internalServerError", None)
    assert "can't start new thread" in message


# Being stopped


def stages(upscaler, patch, at_tile, tiles, stop):
    """How to stop a task at each stage."""
    handlers = upscaler._runner._handlers
    return {
        "waiting": stop.set,
        "decoded": lambda: patch.setattr(handlers, "_load", _then(handlers._load, stop.set)),
        **{f"{place} tile": lambda number=number: at_tile(number, stop.set) for place, number in tiles.items()},
        "encoded": lambda: patch.setattr(upscaler, "upscale_to_file", _then(upscaler.upscale_to_file, stop.set)),
    }


def _then(function, do):
    def both(*arguments, **options):
        result = function(*arguments, **options)
        do()
        return result

    return both


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("stage", ["waiting", "decoded", "first tile", "middle tile", "last tile", "encoded"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_task_that_is_stopped(upscaler, monkeypatch, at_tile, tiles, stage, file_format):
    stop = threading.Event()
    with monkeypatch.context() as patch:
        stages(upscaler, patch, at_tile, tiles, stop)[stage]()
        with pytest.raises(CancelledError, match="no result was stored"):
            upscaler._runner.run(task(file_format), upscales_only=True, stop=stop)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_task_for_later_that_is_stopped(upscaler, at_tile, tiles, place):
    reached, go_on = threading.Event(), threading.Event()

    def wait():
        reached.set()
        assert go_on.wait(timeout=60)

    at_tile(tiles[place], wait)
    request = task(deliveryMethod="async")
    upscaler.run(request)
    assert reached.wait(timeout=60)
    stopping = threading.Thread(target=upscaler._runner.stop)
    deliveries = upscaler._runner._deliveries
    was = deliveries._stop
    stopping.start()
    assert was.wait(timeout=60)
    go_on.set()
    stopping.join(timeout=60)
    [error] = upscaler.run({"taskType": "getResponse", "taskUUID": request["taskUUID"]})["errors"]
    assert (error["code"], error["status"]) == ("internalServerError", "error")
    assert "stopped" in error["message"]
