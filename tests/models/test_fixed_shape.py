"""Networks with a fixed input shape, and with NHWC input and output."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from support.emulated_runtime import small_network
from support.networks import run
from tilewright.models.graph.fixed_shape import with_fixed_shape, with_nhwc_io


@pytest.fixture
def model(tmp_path):
    return onnx.load(small_network(tmp_path / "small.onnx").path)


def test_arguments_are_not_changed(model):
    before = model.SerializeToString(deterministic=True)
    for changed in (with_fixed_shape(model, 2, 8, 8), with_nhwc_io(model)):
        assert changed.SerializeToString(deterministic=True) != before
    assert model.SerializeToString(deterministic=True) == before


def test_results_are_the_same_with_a_fixed_shape_and_in_nhwc(model):
    batch = np.random.default_rng(1).random((2, 3, 8, 12), np.float32)
    expected = run(model, batch)
    fixed = with_fixed_shape(model, 2, 8, 12)
    np.testing.assert_array_equal(run(fixed, batch), expected)
    nhwc = with_nhwc_io(fixed)
    onnx.checker.check_model(nhwc, full_check=True)
    np.testing.assert_array_equal(run(nhwc, batch.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2), expected)


def test_a_fixed_shape_rejects_other_batches(model):
    with pytest.raises(Exception, match=r"Got: 8 Expected: 2"):
        run(with_fixed_shape(model, 2, 8, 12), np.zeros((8, 3, 8, 12), np.float32))
