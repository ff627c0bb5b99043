"""Tests of the export to ONNX."""
# ruff: noqa: E402

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from support.tiny_training import tiny_plan
from tilewright import Upscaler
from tilewright.models.graph.cost import flops_per_pixel
from tilewright.models.graph.float16 import load_with_float32_weights
from tilewright.models.graph.subgraph import extract_subgraph
from tilewright.models.loader import load_model
from tilewright.testing import make_picture

torch = pytest.importorskip("torch", reason="needs the dependency group training")

from training.export import describe, to_onnx
from training.network import body_of, deepen, network_from, with_head_for
from training.train import start_training


@pytest.fixture(scope="module", params=[16, 19], ids=["", "deeper"])
def exported(request, published, tmp_path_factory):
    """A file with heads for three factors, and the weights by factor."""
    weights = {scale: with_head_for(deepen(published, request.param), scale) for scale in (4, 3, 2)}
    path = tmp_path_factory.mktemp("exported") / "three.onnx"
    steps = {4: 7, 3: 8, 2: 9}
    onnx.save(to_onnx(list(weights.values()), describe(steps, name="ours", version="1", metrics={"x4": {}})), path)
    return path, weights


def test_exported_file_has_metadata_and_can_start_a_training(exported, tmp_path):
    path, weights = exported
    assert path.stat().st_size < 1.5e6 + 75e3 * (body_of(weights[4]) - 16)
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert metadata["name"] == "ours"
    assert json.loads(metadata["steps"]) == {"x4": 7, "x3": 8, "x2": 9}
    assert json.loads(metadata["metrics"]) == {"x4": {}}
    assert all(metadata[key] for key in ("version", "licence", "training_data", "commit"))
    started = start_training(tiny_plan(), tmp_path / "none.pt", path)
    for name, value in started.network.state_dict().items():
        torch.testing.assert_close(value, weights[4][name].half().float(), rtol=0, atol=0)


def test_refuses_networks_with_different_bodies(published):
    other = {**published, "body.0.bias": published["body.0.bias"] + 1}
    with pytest.raises(ValueError, match="do not have the same body"):
        to_onnx([published, with_head_for(other, 2)], {"name": "ours"})
    for pair in ([published, deepen(published, 17)], [deepen(published, 17), published]):
        with pytest.raises(ValueError, match="do not have the same body"):
            to_onnx(pair, {"name": "ours"})


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_exported_file_gives_the_results_of_the_network(exported, tmp_path, scale):
    path, weights = exported
    model = extract_subgraph(load_with_float32_weights(path.read_bytes()), f"x{scale}")
    body = body_of(weights[4])
    assert flops_per_pixel(model) < 75e3 * body + 61e3
    onnx.save(model, tmp_path / "one.onnx")
    picture = make_picture(40, 50)
    upscaler = Upscaler(model=tmp_path / "one.onnx", device="cpu", precision="fp32")
    result = upscaler.upscale_array(picture, scale)
    with torch.no_grad():
        expected = network_from(weights[scale])(torch.from_numpy(picture.transpose(2, 0, 1)[None]).float() / 255)
    expected = expected[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    assert np.abs(expected - result).max() < 1.5  # float16 weights, 8-bit samples
    assert upscaler.session(factor=scale).tail is not None
    spec = load_model(tmp_path / "one.onnx", scale, cache_dir=tmp_path).spec
    assert (spec.multiple_of, spec.halo) == (1, body + 2)
