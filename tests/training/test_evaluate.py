"""Tests of the figures of `training.evaluate`."""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from support.paths import DOCS
from tilewright.testing import make_picture

pytest.importorskip("torch", reason="needs the dependency group training")

from training.evaluate import compare, mean_figures, mean_gradient, psnr
from training.niqe import SMALLEST, niqe
from training.teacher import NAME as TEACHER


def test_figures():
    picture = make_picture(20, 20)
    assert psnr(picture, picture) > 100
    assert psnr(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)) == pytest.approx(0)
    assert mean_gradient(np.tile(np.array([0, 10], np.uint8)[None, :, None], (4, 2, 3))) == pytest.approx(5)
    soft = (picture // 2 + 64).astype(np.uint8)
    found = compare({"soft": soft}, picture)
    assert found["soft"]["gradient"] == pytest.approx(0.5, abs=0.05)
    assert set(found) == {"soft"}, "too small for NIQE"
    larger = compare({"soft": make_picture(200, 200)}, make_picture(200, 200))
    assert set(larger["soft"]) == {"psnr", "gradient", "niqe"}
    means = mean_figures([found, larger])
    assert means["soft"]["gradient"] == pytest.approx((found["soft"]["gradient"] + 1) / 2)
    assert means[TEACHER] == larger[TEACHER] == {"niqe": larger["soft"]["niqe"]}


def test_niqe_prefers_a_photograph_to_a_blurred_or_noisy_copy():
    photo = Image.open(DOCS / "images" / "chelsea.png").convert("RGB")
    plain = np.asarray(photo)
    soft = np.asarray(photo.resize([side // 4 for side in photo.size]).resize(photo.size, Image.Resampling.BICUBIC))
    noisy = (plain + np.random.default_rng(0).normal(0, 25, plain.shape)).clip(0, 255).astype(np.uint8)
    assert niqe(plain) < min(niqe(soft), niqe(noisy))
    assert np.isfinite(niqe(plain[:SMALLEST, :SMALLEST]))


@pytest.fixture
def scikit_video(monkeypatch):
    """The function `niqe` of scikit-video, with the names that NumPy and SciPy have removed."""
    import scipy

    def imresize(picture, ratio, *, interp, mode):
        assert (interp, mode) == ("bicubic", "F")
        size = [int(length * ratio) for length in picture.shape[1::-1]]
        return np.asarray(Image.fromarray(picture, mode="F").resize(size, Image.Resampling.BICUBIC))

    misc = ModuleType("scipy.misc")
    misc.imresize = imresize
    for name, type_ in (("float", float), ("int", int)):
        monkeypatch.setitem(vars(np), name, type_)
    monkeypatch.setattr(scipy, "misc", misc, raising=False)
    monkeypatch.setitem(sys.modules, "scipy.misc", misc)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escape sequences in its docstrings
        return importlib.import_module("skvideo.measure").niqe


@pytest.mark.parametrize("size", [(194, 194), (300, 451), (500, 620)])
def test_niqe_equals_that_of_scikit_video(scikit_video, photo, size):
    resized = Image.fromarray(photo).resize(size[::-1], Image.Resampling.BICUBIC)
    for picture in (np.asarray(resized), make_picture(*size), np.zeros((*size, 3), np.uint8)):
        luminance = np.asarray(Image.fromarray(picture).convert("L"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert niqe(picture) == scikit_video(luminance)[0]
