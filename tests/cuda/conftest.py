"""Fixtures for emulated and real CUDA devices.

Fixtures import what they need, because the kernel tests also run without onnx and runtimes.
"""

from __future__ import annotations

import pytest

from support.device import MODULES, Device, module_of


@pytest.fixture(scope="module", params=MODULES)
def device(request):
    """Returns the emulated device, then a real one if there is one."""
    return Device(module_of(request.param))


@pytest.fixture(scope="module")
def emulated():
    """Returns the emulated device, which counts writes."""
    return Device(module_of("_cuda_emulated"))


@pytest.fixture
def kernels():
    """Returns the emulated module, and resets its machine before and after the test."""
    module = module_of("_cuda_emulated")
    module.emulate()
    yield module
    module.emulate()


@pytest.fixture
def runtime(kernels, monkeypatch):
    """Makes CUDA sessions use the emulated device and a runtime for it, and returns that runtime."""
    from support.emulated_runtime import EmulatedRuntime
    from tilewright.engine.sessions import cuda, select

    emulated = EmulatedRuntime(kernels)
    monkeypatch.setattr(cuda, "import_runtime", lambda _: emulated)
    monkeypatch.setattr(cuda, "open_onnx", emulated.open_onnx)
    monkeypatch.setattr(cuda, "cuda_kernels", lambda: kernels)
    monkeypatch.setattr(select, "kernels_problem", lambda: None)
    return emulated


@pytest.fixture
def model(tmp_path):
    """Returns a small network."""
    from support.emulated_runtime import small_network

    return small_network(tmp_path / "small.onnx")
