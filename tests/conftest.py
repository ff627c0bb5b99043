"""What all tests share: folders of their own, and one open Upscaler for each runtime and precision."""

from __future__ import annotations

import os
import threading
import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest

from support.paths import DOCS, SHARED_DATA
from tilewright import Settings, Upscaler

# No test depends on a time: a busy machine is no fault of the code.
hypothesis.settings.register_profile("tilewright", deadline=None)
hypothesis.settings.load_profile("tilewright")

# Pictures that cannot be carried in the repository; tests that need them are skipped where they are absent.


def pytest_runtest_setup(item):
    """Tests marked `gpu` are skipped, with the reason, where CUDA or its kernels cannot run."""
    if item.get_closest_marker("gpu"):
        from tilewright.engine.sessions import cuda_problem, kernels_problem

        if problem := cuda_problem() or kernels_problem():
            pytest.skip(problem)


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory):
    """Neither the user's cache nor the user's store is touched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TILEWRIGHT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TILEWRIGHT_STORE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="session")
def own_cache():
    """The folder of converted networks that all tests share."""
    return Path(os.environ["TILEWRIGHT_CACHE_DIR"])


@pytest.fixture(scope="session")
def upscaler_for():
    """Makes Upscalers with the given arguments, each once: opening a large network takes seconds."""

    @cache
    def make(**arguments):
        return Upscaler(settings=Settings.from_environment(), store="memory://tests", **arguments)

    return make


@pytest.fixture(scope="session")
def upscaler(upscaler_for):
    """As users get it, on the CPU."""
    return upscaler_for(device="cpu")


@pytest.fixture
def held_back(upscaler, monkeypatch):
    """Pictures wait before the network until this is set."""
    go = threading.Event()
    upscale_picture = upscaler.upscale_picture

    def wait(*arguments, **options):
        assert go.wait(timeout=60)
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler, "upscale_picture", wait)
    yield go
    go.set()


@pytest.fixture(scope="session")
def photo():
    """A real photograph, uint8 [300, 451, 3]: Chelsea the cat, by Stefan van der Walt, CC0."""
    from PIL import Image  # not at the top: the kernels' tests do without

    with Image.open(DOCS / "images" / "chelsea.png") as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="session")
def shared_data():
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared pictures are not here")
    return SHARED_DATA


@pytest.fixture
def pass_time(monkeypatch):
    """Puts the store's clocks forward by so many seconds; the files' own times stay, and so does any other clock."""
    ahead = 0

    def forward(seconds):
        nonlocal ahead
        ahead += seconds

    clock = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr("tilewright.store.image_store.time", clock)
    return forward
