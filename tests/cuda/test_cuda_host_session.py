"""Sessions on CUDA with tiles in host memory."""

from __future__ import annotations

import logging

import numpy as np
import onnxruntime
import pytest

from support.cuda_jobs import with_spec
from tilewright.engine.sessions import cuda_host, select
from tilewright.engine.sessions.cuda_host import CudaHostSession
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.select import open_session
from tilewright.errors import DeviceError


class CudaProviderOnCpu:
    """A session of onnxruntime that runs on the CPU and reports the CUDA provider."""

    def __init__(self, network):
        self._session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        self.get_inputs, self.get_outputs = self._session.get_inputs, self._session.get_outputs
        self.run = self._session.run

    def get_providers(self):
        return ["CUDAExecutionProvider"]


@pytest.fixture
def opened(monkeypatch):
    """Replaces onnxruntime's CUDA provider, and returns the providers and options of each session that is opened."""
    opened = []

    def open_onnx(network, options, *, providers):
        opened.append((providers, options))
        return CudaProviderOnCpu(network)

    monkeypatch.setattr(cuda_host, "open_onnx", open_onnx)
    return opened


@pytest.fixture
def batch():
    return np.random.default_rng(3).random((1, 3, 12, 16), np.float32)


def test_without_kernels_tiles_are_in_host_memory(opened, batch, model, monkeypatch, caplog):
    monkeypatch.setattr(select, "kernels_problem", lambda: "tilewright was built without CUDA")
    with caplog.at_level(logging.INFO, "tilewright"):
        session = open_session(model, device="cuda", precision="auto", threads=1)
    assert isinstance(session, CudaHostSession)
    assert (session.device, session.precision) == ("cuda", "fp32")
    assert "small runs on CUDA with tiles in host memory: tilewright was built without CUDA" in caplog.text
    ((providers, options),) = opened
    provider_options = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    assert providers == [("CUDAExecutionProvider", provider_options)]
    assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
    np.testing.assert_array_equal(session.run(batch), OnnxRuntimeSession(model, threads=1).run(batch))
    with pytest.raises(
        DeviceError, match="'fp16' requires tiles that stay on the device: tilewright was built without"
    ):
        open_session(model, device="cuda", precision="fp16", threads=1)


@pytest.mark.usefixtures("opened", "runtime")
def test_network_with_another_channel_order_gets_tiles_in_host_memory(model):
    model = with_spec(model, channel_order="BGR")
    assert isinstance(open_session(model, device="cuda", precision="auto", threads=1), CudaHostSession)
