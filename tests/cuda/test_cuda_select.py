"""Choice of the session on CUDA devices, on the emulated device."""

from __future__ import annotations

import pytest

from tilewright.engine.sessions import cuda_check
from tilewright.engine.sessions import precision as precision_gate
from tilewright.engine.sessions.select import open_session
from tilewright.errors import DeviceError


@pytest.mark.usefixtures("runtime")
def test_float16_is_used_only_if_it_agrees_with_float32(model, monkeypatch):
    assert open_session(model, device="cuda", precision="auto", threads=1).precision == "fp16"
    monkeypatch.setattr(precision_gate, "GATE_DB", 200.0)
    assert open_session(model, device="cuda", precision="auto", threads=1).precision == "fp32"
    assert open_session(model, device="cuda", precision="fp16", threads=1).precision == "fp16"
    assert open_session(model, device="cuda", precision="fp32", threads=1).precision == "fp32"


def test_network_that_cuda_cannot_run_is_an_error_when_it_is_opened(runtime, model):
    runtime.missing_provider = True
    for precision in ("auto", "fp16", "fp32"):
        with pytest.raises(DeviceError, match="CUDA cannot run small"):
            open_session(model, device="cuda", precision=precision, threads=1)


def test_fp16_on_the_cpu_is_an_error(model):
    with pytest.raises(DeviceError, match="precision 'fp16' requires CUDA"):
        open_session(model, device="cpu", precision="fp16", threads=1)


def test_reasons_why_the_kernels_cannot_run(monkeypatch, kernels):
    problem = cuda_check.kernels_problem.__wrapped__

    def absent():
        raise ModuleNotFoundError("No module named 'tilewright._cuda'")

    def broken():
        raise ImportError("undefined symbol: frobnicate")

    monkeypatch.setattr(cuda_check, "cuda_kernels", absent)
    assert problem() == "tilewright was built without CUDA"
    monkeypatch.setattr(cuda_check, "cuda_kernels", broken)
    assert problem() == "tilewright's CUDA module cannot be loaded: undefined symbol: frobnicate"
    monkeypatch.setattr(cuda_check, "cuda_kernels", lambda: kernels)
    assert problem() is None
    kernels.emulate(capability=(7, 5))
    assert "7.5" in problem()
    kernels.emulate(driver_error=35)
    assert "driver" in problem()
