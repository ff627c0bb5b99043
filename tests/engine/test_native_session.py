"""Networks of the catalog on the native engine agree with other runtimes, and with float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support.conv_reference import run_convolutions
from support.sampling import DEEP_NETWORKS, sampled
from tilewright import Settings
from tilewright.engine.sessions.base import finished_result
from tilewright.engine.sessions.native import NativeSession
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.prepare import split_tail
from tilewright.errors import InferenceError
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.convolutions import list_convolutions
from tilewright.models.loader import load_model

# docs/engine.md lists these networks.
SUPPORTED = [
    "tilewright-photo",
    "realesr-animevideov3",
    "span-x2-ch48",
    "span-x4-ch48",
    "realesrgan-x4plus",
    "realesrgan-x4plus-anime",
    "realsr-df2k",
]


def is_shallow(name, *_):
    return name not in DEEP_NETWORKS


def load(name, factor):
    if not CATALOG[name].installed:
        pytest.skip(f"{CATALOG[name].package} is not installed")
    return load_model(name, factor, cache_dir=Settings.from_environment().cache_dir)


def batch_of(photo, height, width):
    crop = photo[100 : 100 + height, 150 : 150 + width]
    return np.ascontiguousarray(crop.transpose(2, 0, 1)[None].astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("name", "factor"),
    sampled([(name, factor) for name in SUPPORTED for factor in CATALOG[name].factors], is_shallow),
)
def test_networks_agree_with_onnxruntime(photo, name, factor):
    model = load(name, factor)
    batch = batch_of(photo, 45, 62)
    native, other = NativeSession(model, threads=2), OnnxRuntimeSession(model, threads=2)
    found, want = finished_result(native, batch), finished_result(other, batch)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", sampled(SUPPORTED, is_shallow))
def test_error_to_float64_is_below_a_ten_thousandth(photo, name):
    model = load(name, CATALOG[name].scale)
    batch = batch_of(photo, 24, 28)
    found = NativeSession(model, threads=2).run(batch)[0]
    want = run_convolutions(list_convolutions(split_tail(model)[0]), batch[0])
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-4)


def test_a_file_of_a_fixed_size_takes_any_tile():
    """The engine needs no fixed size, and its tiles of 4 pixels would not fit every one."""
    model = load("realesr-animevideov3", 4)
    fixed = replace(model, spec=replace(model.spec, fixed_size=(64, 64), multiple_of=8, minimum=32))
    spec = NativeSession(fixed, threads=1).spec
    assert (spec.fixed_size, spec.multiple_of, spec.minimum, spec.grid) == (None, 1, 1, 4)


def test_a_batch_of_another_shape_is_an_inference_error():
    session = NativeSession(load("realesr-animevideov3", 4), threads=1)
    with pytest.raises(InferenceError, match=r"realesr-animevideov3 failed on a batch of shape \(1, 1, 8, 8\)"):
        session.run(np.zeros((1, 1, 8, 8), np.float32))
