"""Sessions on CUDA, on the emulated device: what the runtime is asked for, and what happens when it fails."""

from __future__ import annotations

import gc
import logging

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from support.device import module_of
from support.emulated_runtime import EmulatedRuntime, small_network
from tilewright.engine.sessions import cuda as cuda_session
from tilewright.engine.sessions import cuda_check, select
from tilewright.engine.sessions import precision as precision_gate
from tilewright.engine.sessions.base import DeviceMemoryError
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.cuda_check import cuda_problem
from tilewright.engine.sessions.cuda_host import CudaHostSession
from tilewright.engine.sessions.cuda_options import CudaOptions
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.select import open_session
from tilewright.errors import DeviceError, InferenceError


@pytest.fixture
def kernels():
    """The emulated module, on a machine that is put right again."""
    module = module_of("_cuda_emulated")
    yield module
    module.emulate()


@pytest.fixture
def runtime(kernels, monkeypatch):
    emulated = EmulatedRuntime(kernels)
    monkeypatch.setattr(cuda_session, "import_runtime", lambda _: emulated)
    monkeypatch.setattr(cuda_session, "open_onnx", emulated.open_onnx)
    monkeypatch.setattr(cuda_session, "cuda_kernels", lambda: kernels)
    monkeypatch.setattr(select, "kernels_problem", lambda: None)
    return emulated


@pytest.fixture
def model(tmp_path):
    return small_network(tmp_path / "small.onnx")


def batch(count=1, height=12, width=16, planes=3):
    return np.random.default_rng(3).random((count, planes, height, width), np.float32)


def test_the_runtime_is_asked_for_exactly_this(runtime, model):
    bound = CudaSession(model, precision="fp16").take(2, 12, 16)
    session = runtime.last
    assert session.providers == [
        (
            "CUDAExecutionProvider",
            {
                "device_id": "0",
                "user_compute_stream": str(bound.stream.handle),
                "prefer_nhwc": "1",
                "fuse_conv_bias": "1",
                "cudnn_conv_algo_search": "HEURISTIC",
                "arena_extend_strategy": "kSameAsRequested",
                "enable_cuda_graph": "1",
            },
        )
    ]
    assert session.options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
    for run_options in session.runs:
        assert run_options.get_run_config_entry("disable_synchronize_execution_providers") == "1"
    assert len(session.runs) == 1, "it has run once, so that everything is settled"


def test_float32_means_float32(runtime, model):
    CudaSession(model, precision="fp32").take(1, 12, 16)
    assert runtime.last.provider_options["use_tf32"] == "0"
    image = runtime.last.network.graph.input[0].type.tensor_type
    assert image.elem_type == TensorProto.FLOAT


def test_every_option_can_be_chosen(runtime, model):
    options = CudaOptions("NCHW", prefer_nhwc=False, fuse_conv_bias=False, algorithm_search="EXHAUSTIVE", graph=False)
    bound = CudaSession(model, precision="fp16", options=options).take(1, 12, 16)
    assert bound.batch.stored_shape == (1, 3, 12, 16)
    chosen = runtime.last.provider_options
    names = ("prefer_nhwc", "fuse_conv_bias", "cudnn_conv_algo_search", "enable_cuda_graph")
    assert [chosen[name] for name in names] == ["0", "0", "EXHAUSTIVE", "0"]


def test_the_network_is_in_float16_of_one_shape_with_nhwc_io(runtime, model):
    session = CudaSession(model, precision="fp16")
    session.take(2, 12, 16)
    graph = runtime.last.network.graph
    image = graph.input[0].type.tensor_type
    assert [dim.dim_value for dim in image.shape.dim] == [2, 12, 16, 3]
    assert image.elem_type == graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert {tensor.data_type for tensor in graph.initializer} == {TensorProto.FLOAT16}
    assert [node.op_type for node in graph.node] == ["Transpose", "Conv", "PRelu", "Conv", "Transpose"], "without tail"
    onnx.checker.check_model(runtime.last.network)


@pytest.mark.parametrize("tail", [True, False])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0), ("fp16", 4e-3)])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.usefixtures("runtime")
def test_it_gives_what_the_cpu_gives(tmp_path, layout, precision, tolerance, planes, tail):
    model = small_network(tmp_path / "small.onnx", planes=planes, tail=tail)
    given = batch(2, planes=planes)
    want = OnnxRuntimeSession(model, threads=1).run(given)
    session = CudaSession(model, precision=precision, options=CudaOptions(layout))
    got = session.run(given)
    assert got.dtype == session.dtype
    np.testing.assert_allclose(got.astype(np.float32), want, atol=tolerance, rtol=0)


def test_every_shape_has_a_session_that_is_used_again(runtime, model):
    session = CudaSession(model, precision="fp16")
    for size in (12, 16, 12, 16):
        session.run(batch(height=size))
    assert [each.batch_shape for each in runtime.sessions] == [(1, 12, 16, 3), (1, 16, 16, 3)]
    for size in range(20, 20 + cuda_session._KEPT_SHAPES):
        session.run(batch(height=size))
    session.run(batch(height=12))
    assert runtime.last.batch_shape == (1, 12, 16, 3), "shapes that are long out of use are let go"


def test_a_shape_that_is_in_use_is_opened_again(runtime, model):
    session = CudaSession(model, precision="fp16")
    first, second = session.take(1, 12, 16), session.take(1, 12, 16)
    assert first.batch.pointer != second.batch.pointer
    session.give_back(second)
    session.give_back(first)
    assert session.take(1, 12, 16) in (first, second)
    assert len(runtime.sessions) == 2


def test_the_runtime_is_called_from_one_thread(runtime, model):
    import threading

    session = CudaSession(model, precision="fp16")
    session.run(batch())
    other = threading.Thread(target=session.run, args=(batch(),))
    other.start()
    other.join()
    session.run(batch(height=20))
    assert len(runtime.threads) == 1
    assert threading.get_ident() not in runtime.threads


def test_a_provider_that_does_not_start_is_an_error(runtime, model):
    runtime.missing_provider = True
    with pytest.raises(DeviceError, match="CUDA cannot run small: its provider did not start"):
        CudaSession(model, precision="fp16").run(batch())
    for session in runtime.sessions:
        assert not session.runs, "nothing ran on the CPU"


@pytest.mark.parametrize(
    "said",
    [
        "CUDA failure 900: operation not permitted when stream is capturing",
        "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4096",
    ],
)
def test_without_a_graph_where_capture_fails(runtime, model, caplog, said):
    session = CudaSession(model, precision="fp16")
    runtime.capture_fails = said
    with caplog.at_level(logging.INFO, "tilewright"):
        first = session.take(1, 12, 16)
        session.take(1, 20, 16)
    assert caplog.text.count("small runs without a CUDA graph: ") == 1
    assert said in caplog.text
    tried, *others = runtime.sessions
    assert [each.provider_options["enable_cuda_graph"] for each in others] == ["0", "0"]
    assert first.stream.handle != int(tried.provider_options["user_compute_stream"]), (
        "another stream than the broken one"
    )
    want = OnnxRuntimeSession(model, threads=1).run(batch())
    np.testing.assert_allclose(session.run(batch()).astype(np.float32), want, atol=4e-3)


def leave(kernels, nbytes):
    """Lets the device have so much memory more than is taken."""
    gc.collect()
    kernels.emulate()
    free, total = kernels.memory()
    kernels.emulate(memory=total - free + nbytes)


@pytest.mark.parametrize("arena", [0, 1000])
def test_too_little_memory_is_said_to_be_that(runtime, kernels, model, arena):
    session = CudaSession(model, precision="fp16")
    runtime.arena_bytes = arena
    leave(kernels, 100_000)
    with pytest.raises(DeviceMemoryError, match=r"small"):
        session.take(4, 64, 64)
    session.take(1, 8, 8)


def test_shapes_out_of_use_are_let_go_where_memory_is_short(runtime, kernels, model):
    session = CudaSession(model, precision="fp16")
    runtime.arena_bytes = 100
    leave(kernels, 150 * 64 * 64)
    session.give_back(session.take(1, 64, 64))
    runtime.sessions.clear()
    session.take(1, 64, 60)


@pytest.mark.usefixtures("runtime")
def test_the_devices_memory_is_free_when_the_session_is_gone(kernels, model):
    gc.collect()
    gc.disable()
    try:
        before = kernels.memory()
        session = CudaSession(model, precision="fp16")
        session.run(batch())
        assert kernels.memory() < before
        del session
        assert kernels.memory() == before, "at once, not when Python looks for cycles"
    finally:
        gc.enable()


def test_a_failing_run_is_an_inference_error(runtime, model):
    session = CudaSession(model, precision="fp16")
    bound = session.take(1, 12, 16)

    def fail(*_):
        raise RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")

    runtime.spoil = fail
    with pytest.raises(
        InferenceError, match=r"small failed on a batch of shape \(1, 3, 12, 16\): CUDNN_STATUS_EXEC"
    ) as e:
        bound.enqueue()
    assert not isinstance(e.value, DeviceMemoryError)
    with pytest.raises(InferenceError, match=r"small failed on a batch of shape \(1, 4, 8, 8\)"):
        session.run(batch(planes=4, height=8, width=8))


@pytest.mark.usefixtures("runtime")
def test_float16_is_used_only_where_it_agrees(model, monkeypatch):
    assert open_session(model, device="cuda", precision="auto", threads=1).precision == "fp16"
    monkeypatch.setattr(precision_gate, "GATE_DB", 200.0)
    assert open_session(model, device="cuda", precision="auto", threads=1).precision == "fp32"
    assert open_session(model, device="cuda", precision="fp16", threads=1).precision == "fp16"
    assert open_session(model, device="cuda", precision="fp32", threads=1).precision == "fp32"


def test_what_cuda_cannot_run_is_known_when_it_is_opened(runtime, model):
    runtime.missing_provider = True
    for precision in ("auto", "fp16", "fp32"):
        with pytest.raises(DeviceError, match="CUDA cannot run small"):
            open_session(model, device="cuda", precision=precision, threads=1)


class HostOnly:
    """Stands in for `tilewright.runtimes.open_onnx` with a CUDA provider for arrays in host memory."""

    def __init__(self, runtime):
        self.given = []
        given = self.given

        class InferenceSession:
            def __init__(self, network, options, *, providers):
                given.append((providers, options))
                self._cpu = runtime(network, providers=["CPUExecutionProvider"])
                self.get_inputs, self.get_outputs = self._cpu.get_inputs, self._cpu.get_outputs
                self.run = self._cpu.run

            def get_providers(self):
                return ["CUDAExecutionProvider"]

        self.open_onnx = InferenceSession


@pytest.fixture
def host_only(monkeypatch):
    import onnxruntime

    from tilewright.engine.sessions import cuda_host

    runtime = HostOnly(onnxruntime.InferenceSession)
    monkeypatch.setattr(cuda_host, "open_onnx", runtime.open_onnx)
    return runtime


def test_without_kernels_the_host_feeds_it(host_only, model, monkeypatch, caplog):
    monkeypatch.setattr(select, "kernels_problem", lambda: "tilewright was built without CUDA")
    with caplog.at_level(logging.INFO, "tilewright"):
        session = open_session(model, device="cuda", precision="auto", threads=1)
    assert isinstance(session, CudaHostSession)
    assert (session.device, session.precision) == ("cuda", "fp32")
    assert "small runs on CUDA with tiles in host memory: tilewright was built without CUDA" in caplog.text
    ((providers, options),) = host_only.given
    wanted = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    assert providers == [("CUDAExecutionProvider", wanted)]
    assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
    np.testing.assert_array_equal(session.run(batch()), OnnxRuntimeSession(model, threads=1).run(batch()))
    with pytest.raises(
        DeviceError, match="'fp16' requires tiles that stay on the device: tilewright was built without"
    ):
        open_session(model, device="cuda", precision="fp16", threads=1)


@pytest.mark.usefixtures("host_only", "runtime")
def test_a_network_that_takes_other_arrays_is_fed_by_the_host(model):
    from dataclasses import replace

    swapped = replace(model, spec=replace(model.spec, channel_order="BGR"))
    assert isinstance(open_session(swapped, device="cuda", precision="auto", threads=1), CudaHostSession)


def test_float16_is_not_for_the_cpu(model):
    with pytest.raises(DeviceError, match="precision 'fp16' requires CUDA"):
        open_session(model, device="cpu", precision="fp16", threads=1)


def test_why_there_are_no_kernels(monkeypatch, kernels):
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


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus"])
def test_a_real_device_gives_what_the_cpu_gives(own_cache, name):
    from tilewright.models.loader import load_model
    from tilewright.models.probe import probe_batch

    model = load_model(name, 4, cache_dir=own_cache)
    given = probe_batch(model.spec, 96)
    exact = OnnxRuntimeSession(model, threads=8)
    for precision, tolerance in (("fp32", 1e-3), ("fp16", 0.05)):
        got = CudaSession(model, precision=precision).run(given).astype(np.float32)
        np.testing.assert_allclose(got, exact.run(given), atol=tolerance, rtol=0)
    assert cuda_problem() is None
    assert precision_gate.passes_gate(exact, CudaSession(model, precision="fp16"))
