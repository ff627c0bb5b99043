"""Shared by all tests: two workers, folders of their own, one open Upscaler for each set of arguments."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest

from support.paths import DOCS, SHARED_DATA
from tilewright import Settings, Upscaler

# No deadlines: a busy machine must not fail a test.
hypothesis.settings.register_profile("tilewright", deadline=None)
hypothesis.settings.load_profile("tilewright")

WORKERS = 2


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads these options
def pytest_cmdline_main(config):
    """Runs the tests on two workers, unless `-n` says otherwise or one process is needed.

    A single test, a debugger and `-s` need one process. Without pytest-xdist, as in the environments that have only
    what the kernels' tests need, there is one process too.
    """
    is_worker = hasattr(config, "workerinput")
    if is_worker or not config.pluginmanager.hasplugin("xdist") or config.option.numprocesses is not None:
        return
    single = any("::" in argument for argument in config.args)
    if not (single or config.option.usepdb or config.option.capture == "no"):
        config.option.numprocesses = WORKERS
        if config.option.dist == "no":
            config.option.dist = "worksteal"


def pytest_runtest_setup(item):
    """Skips tests marked `gpu`, with the reason, where CUDA or its kernels cannot run."""
    if item.get_closest_marker("gpu"):
        from tilewright.engine.sessions.cuda_check import cuda_problem, kernels_problem

        if problem := cuda_problem() or kernels_problem():
            pytest.skip(problem)


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory):
    """Sets the cache and the store to temporary folders, so that the user's are not touched.

    Workers share one cache, as converting a large network takes seconds, and divide the CPUs among themselves.
    """
    run = tmp_path_factory.getbasetemp()
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    with pytest.MonkeyPatch.context() as patch:
        if workers > 0:
            run = run.parent
            patch.setenv("TILEWRIGHT_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
        patch.setenv("TILEWRIGHT_CACHE_DIR", str(run / "cache"))
        patch.setenv("TILEWRIGHT_MODELS_DIR", str(tmp_path_factory.mktemp("models")))
        patch.setenv("TILEWRIGHT_STORE", str(tmp_path_factory.mktemp("store")))
        # The folders that replace ones that cannot be written are among the temporary files.
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        # A process for every ONNX file would take a second each. `models/test_inspection.py` starts some.
        patch.setattr("tilewright.models.isolated._interpreter", lambda: None)
        yield


@pytest.fixture(scope="session")
def own_cache():
    """Returns the cache folder of converted networks, which all tests share."""
    return Path(os.environ["TILEWRIGHT_CACHE_DIR"])


@pytest.fixture(scope="session")
def upscaler_for():
    """Returns a function that opens an Upscaler once for each set of arguments, as opening a network takes seconds."""

    @cache
    def make(runtime="auto", **arguments):
        settings = replace(Settings.from_environment(), runtime=runtime)
        return Upscaler(settings=settings, store="memory://tests", **arguments)

    return make


@pytest.fixture(scope="session")
def upscaler(upscaler_for):
    """An Upscaler with default arguments, on the CPU."""
    return upscaler_for(device="cpu")


@pytest.fixture
def held_back(upscaler, monkeypatch):
    """An event. Until a test sets it, every picture waits before it enters the network."""
    released = threading.Event()
    upscale_picture = upscaler._pictures.upscale_picture

    def wait(*arguments, **options):
        assert released.wait(timeout=60)
        return upscale_picture(*arguments, **options)

    monkeypatch.setattr(upscaler._pictures, "upscale_picture", wait)
    yield released
    released.set()


@pytest.fixture(scope="session")
def photo():
    """A real photograph, uint8 [300, 451, 3]: Chelsea the cat, by Stefan van der Walt, CC0."""
    from PIL import Image  # imported here because the kernels' tests run without Pillow

    with Image.open(DOCS / "images" / "chelsea.png") as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="session")
def shared_data():
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared pictures are not available")
    return SHARED_DATA


@pytest.fixture
def pass_time(monkeypatch):
    """Returns a function that advances the store's clocks by some seconds. File times and other clocks stay."""
    ahead = 0

    def forward(seconds):
        nonlocal ahead
        ahead += seconds

    clock = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr("tilewright.store.image_store.time", clock)
    return forward
