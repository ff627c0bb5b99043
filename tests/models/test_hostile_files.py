"""Network files that are damaged or made to do harm: errors, within bounds of time and memory."""

from __future__ import annotations

import sys
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from support.networks import REPEAT, network, resize
from tilewright.errors import ModelError
from tilewright.models import inspection, isolated
from tilewright.models.loader import load_model

SCALES = {"scales": np.array((1, 1, 2, 2), np.float32)}


@pytest.fixture
def in_another_process(monkeypatch):
    monkeypatch.setattr(isolated, "_interpreter", lambda: sys.executable)
    inspection._inspected.cache_clear()


def refusal(path, tmp_path):
    with pytest.raises(ModelError) as caught:
        load_model(path, 2, cache_dir=tmp_path / "cache")
    assert caught.value.parameter == "model"
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []
    return caught.value.message


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "folder/../../secret"])
def test_external_data_outside_the_folder_is_not_read(tmp_path, location):
    (tmp_path / "secret").write_bytes(bytes(4096))
    folder = tmp_path / "inner"
    (folder / "folder").mkdir(parents=True)
    model = network([helper.make_node("Add", ["x", "w"], ["y"])], {"w": np.zeros((1, 3, 1, 1), np.float32)})
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "12")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    message = refusal(folder / "net.onnx", tmp_path)
    assert "not a readable ONNX file" in message
    assert "root:" not in message


def test_a_cyclic_graph_is_refused(tmp_path):
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        resize("b", "y", "scales", **REPEAT),
    ]
    onnx.save(network(nodes, SCALES, output_shape=(None,) * 4), tmp_path / "net.onnx")
    assert "onnxruntime cannot open" in refusal(tmp_path / "net.onnx", tmp_path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    nodes = [helper.make_node("Mul", ["x", "w"], ["a"]), resize("a", "y", "scales", **REPEAT)]
    onnx.save(network(nodes, SCALES | {"w": np.float32(np.nan)}, output_shape=(None,) * 4), tmp_path / "net.onnx")
    assert "resembles its input neither" in refusal(tmp_path / "net.onnx", tmp_path)


@pytest.mark.usefixtures("in_another_process")
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory needs Linux")
def test_a_network_that_claims_terabytes_is_refused(tmp_path):
    """It enlarges its input to a tensor that no machine can hold."""
    nodes = [
        helper.make_node("Expand", ["x", "shape"], ["huge"]),
        helper.make_node("ReduceMean", ["huge"], ["mean"], axes=[0], keepdims=1),
        resize("mean", "y", "scales", **REPEAT),
    ]
    constants = SCALES | {"shape": np.array([2**24, 3, 64, 64])}
    onnx.save(network(nodes, constants, output_shape=(None,) * 4), tmp_path / "net.onnx")
    began = time.monotonic()
    message = refusal(tmp_path / "net.onnx", tmp_path)
    assert "cannot run on a picture" in message or "more memory than there is" in message
    assert time.monotonic() - began < 60


@pytest.mark.usefixtures("in_another_process")
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory needs Linux")
def test_the_process_has_a_limit_on_its_memory(tmp_path, monkeypatch):
    limited = "from tilewright.models import isolated\nisolated._MEMORY_SHARE = 2**-5\nisolated.answer(request)"
    monkeypatch.setattr(isolated, "_PROGRAM", isolated._PROGRAM.replace("answer(request)", limited))
    nodes = [
        helper.make_node("Expand", ["x", "shape"], ["large"]),
        helper.make_node("ReduceMean", ["large"], ["mean"], axes=[0], keepdims=1),
        resize("mean", "y", "scales", **REPEAT),
    ]
    constants = SCALES | {"shape": np.array([2**15, 3, 64, 64])}  # 1.6 GB
    onnx.save(network(nodes, constants, output_shape=(None,) * 4), tmp_path / "net.onnx")
    message = refusal(tmp_path / "net.onnx", tmp_path)
    assert "cannot run on a picture" in message or "more memory than there is" in message or "cannot open" in message
