"""An Upscaler to break, and the check that a fault leaves nothing behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from support.faults import FORMATS, done, task
from tilewright import Settings, Upscaler
from tilewright.codecs import png
from tilewright.store.records import RECORD
from tilewright.testing import FakeSession

# Small strips, so that a result has several and an encoder can fail in the middle of a file.
STRIP_BYTES = 1 << 14

# Prefixes of the threads for asynchronous tasks, which stay alive after a task.
BACKGROUND = ("tilewright-background", "tilewright-heartbeat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults") / "images"


@pytest.fixture(scope="module")
def upscaler(folder):
    """An Upscaler with nine tiles per picture, a fake network, and a store on disk."""
    session = FakeSession()
    # A PNG file takes as many strips as there are threads, and two more.
    settings = Settings(threads=2)
    with (
        pytest.MonkeyPatch.context() as patch,
        Upscaler(device="cpu", tile=40, settings=settings, store=folder) as upscaler,
    ):
        patch.setattr(png, "_STRIP_BYTES", STRIP_BYTES)
        patch.setattr(upscaler._networks, "session", lambda *_: session)
        yield upscaler


def threads():
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith(BACKGROUND)}


def files(folder):
    """The store without records of asynchronous tasks, which are kept for getResponse."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(RECORD))


def open_files():
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


@pytest.fixture
def unharmed(upscaler, folder):
    """Checks that a test leaves no thread, open file or image, and that tasks give the same bytes as before."""
    usual = {name: done(upscaler, task(name)) for name in FORMATS}
    before = threads(), open_files(), files(folder)
    yield
    assert not upscaler._runner._reserved
    assert (threads(), open_files(), files(folder)) == before
    for name in FORMATS:
        assert done(upscaler, task(name)) == usual[name]


class WatchedSession:
    """A session that runs an action before one of its runs.

    If the action raises, the count starts again, so that the next task fails at the same tile.
    """

    def __init__(self, session, number, action):
        self._session, self._number, self._action = session, number, action
        self._runs = 0

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, batch, result=None):
        self._runs += 1
        if self._runs == self._number + 1:
            try:
                self._action()
            except BaseException:
                self._runs = 0
                raise
        return self._session.run(batch, result)


@pytest.fixture
def at_tile(upscaler, monkeypatch):
    """Returns a function that makes the network run an action before the tile of that number."""

    def arrange(number, action):
        watched = WatchedSession(upscaler._networks.session("auto", 2, "auto"), number, action)
        monkeypatch.setattr(upscaler._networks, "session", lambda *_: watched)

    return arrange


@pytest.fixture(scope="module")
def tiles(upscaler):
    """The numbers of the first, a middle and the last tile."""
    done(upscaler, task())
    count = upscaler.last_report.tiles
    assert count == 9
    return {"first": 0, "middle": count // 2, "last": count - 1}
