"""An empty working folder, and networks that are fast or forbidden."""

from __future__ import annotations

import pytest

from tilewright.engine.host.executor import HostExecutor
from tilewright.engine.networks import Networks
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    """Runs the test in an empty folder, on the CPU in fp32, with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "cpu")
    monkeypatch.setenv("TILEWRIGHT_PRECISION", "fp32")
    monkeypatch.setenv("TILEWRIGHT_STORE", "store")
    return tmp_path


@pytest.fixture
def replace_run(monkeypatch):
    """Replaces `HostExecutor.run`; returns the original function."""

    def replace(function):
        original = HostExecutor.run
        monkeypatch.setattr(HostExecutor, "run", function)
        return original

    return replace


@pytest.fixture
def no_network(monkeypatch, replace_run):
    """Fails the test if a network is opened or run."""
    monkeypatch.setattr(Networks, "session", lambda *_, **__: pytest.fail("a network was opened"))
    replace_run(lambda *_, **__: pytest.fail("a network ran"))


@pytest.fixture
def nearest_neighbour(monkeypatch):
    """Replaces all networks by one that repeats pixels, for tests that do not look at the result."""

    def session(_, name, factor, precision):
        return FakeSession(ModelSpec(name=str(name), scale=factor), precision=precision)

    monkeypatch.setattr(Networks, "session", session)
