"""Networks that take and return RGBA."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from support.networks import natural_batch, network, run
from tilewright import Upscaler
from tilewright.models.graph.alpha_plane import without_alpha


def rgba_network(dtype=np.float32):
    """A network that doubles the size, halves every colour, and adds a quarter of alpha to it."""
    weights = np.zeros((4 * 4, 4, 1, 1), dtype)
    for channel in range(4):
        weights[4 * channel : 4 * channel + 4, channel] = 0.5
        weights[4 * channel : 4 * channel + 4, 3] += dtype(0.25)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["head"], kernel_shape=[1, 1]),
        helper.make_node("DepthToSpace", ["head"], ["y"], blocksize=2, mode="CRD"),
    ]
    kind = TensorProto.FLOAT16 if dtype is np.float16 else TensorProto.FLOAT
    return network(nodes, {"w": weights}, shape=(1, 4, "h", "w"), dtype=kind)


@pytest.mark.parametrize("white", [1.0, 255.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_alpha_is_opaque_and_left_out_of_the_result(white, dtype):
    model = without_alpha(rgba_network(dtype), white=white)
    onnx.checker.check_model(model, full_check=True)
    batch = (natural_batch(5, 7) * white).astype(dtype)
    result = run(model, batch)
    assert result.shape == (1, 3, 10, 14)
    expected = batch.repeat(2, axis=2).repeat(2, axis=3) * dtype(0.5) + dtype(0.25 * white)
    np.testing.assert_allclose(result, expected, rtol=2e-3 if dtype is np.float16 else 1e-6)


def test_a_file_for_rgba_upscales_pictures_with_and_without_alpha(tmp_path):
    path = tmp_path / "rgba.onnx"
    onnx.save(rgba_network(), path)
    upscaler = Upscaler(model=path, device="cpu", precision="fp32")
    colours = np.full((6, 8, 3), 100, np.uint8)
    expected = round(0.5 * 100 + 0.25 * 255)
    assert (upscaler.upscale_array(colours, 2) == expected).all()
    half = np.dstack([colours, np.full((6, 8, 1), 128, np.uint8)])
    result = upscaler.upscale_array(half, 2)
    assert (result[:, :, :3] == expected).all()
    assert (result[:, :, 3] == 128).all()
