"""Upscalers that are pickled: copies have the same options and open everything themselves."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest

from support.processes import run_program
from tilewright import ImageStore, Settings, Upscaler, new_task, raise_for_errors
from tilewright.errors import ModelError
from tilewright.testing import make_picture


@pytest.mark.parametrize("duplicate", [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy])
def test_copy_has_the_options_and_gives_the_same_results(tmp_path, duplicate):
    settings = Settings(threads=1, max_input_pixels=1000)
    options = {"model": "realesr-animevideov3", "device": "cpu", "precision": "fp32", "store": tmp_path}
    with Upscaler(settings=settings, **options) as upscaler:
        picture = make_picture(12, 16)
        expected = upscaler.upscale_array(picture, 2)
        other = duplicate(upscaler)
        assert (other.model, other.device, other.settings) == (upscaler.model, "cpu", settings)
        with other:
            np.testing.assert_array_equal(other.upscale_array(picture, 2), expected)
            assert other.session(factor=2) is not upscaler.session(factor=2)
            stored = upscaler.upload(picture)["data"][0]["imageUUID"]
            raise_for_errors(other.upscale(new_task(stored, 2)))
            assert (upscaler.totals.pictures, other.totals.pictures) == (0, 1)


def test_copy_resolves_its_network_at_first_use(tmp_path, monkeypatch):
    """An error while a worker reads a task would end it, and some pools would wait for it forever."""
    data = pickle.dumps(Upscaler(device="cpu", store=tmp_path))

    def fail(*_):
        raise ModelError("its weights are not here")

    monkeypatch.setattr("tilewright.direct.new_picture_upscaler", fail)
    copied = pickle.loads(data)
    assert repr(copied) == "Upscaler(device='cpu')"
    with pytest.raises(ModelError, match="not here"):
        copied.upscale_array(make_picture(8, 8), 2)


def test_store_is_pickled_with_its_options(tmp_path):
    store = ImageStore(tmp_path, ttl=60, public_url="https://img.example.org/", shared=False)
    image = store.put(b"data", "png")
    other = pickle.loads(pickle.dumps(store))
    assert (other.ttl, other.public_url, other.get(image)) == (60, "https://img.example.org", b"data")
    assert pickle.loads(pickle.dumps(Upscaler(device="cpu", store=store))).store.get(image) == b"data"


WORKERS = """
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from tilewright import Upscaler
from tilewright.testing import make_picture

def work(upscaler, size):
    return upscaler.upscale_array(make_picture(size, size), 2).shape

if __name__ == "__main__":
    upscaler = Upscaler(device="cpu")
    with ProcessPoolExecutor(1, multiprocessing.get_context(sys.argv[1])) as pool:
        print([pool.submit(work, upscaler, size).result(60) for size in (8, 10)])
        print(work(upscaler, 8))
        print(pool.submit(work, upscaler, 12).result(60))
    if sys.argv[1] == "fork":  # this process has networks now, so its children cannot
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            print(pool.submit(work, upscaler, 8).exception(60))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_upscaler_is_sent_to_worker_processes(tmp_path, method):
    if method == "fork" and sys.platform != "linux":
        pytest.skip("needs os.fork")
    result = run_program(tmp_path / "workers.py", WORKERS, method)
    lines = result.stdout.splitlines()
    assert lines[:3] == ["[(16, 16, 3), (20, 20, 3)]", "(16, 16, 3)", "(24, 24, 3)"], result.stderr
    assert method == "spawn" or "forked after the first network was opened" in lines[3]
