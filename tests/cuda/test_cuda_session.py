"""Sessions on CUDA, on the emulated device: options of the runtime, shapes, memory and failures."""

from __future__ import annotations

import gc
import logging
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from support.device import set_free_memory
from support.emulated_runtime import small_network
from tilewright.engine.sessions import cuda as cuda_session
from tilewright.engine.sessions import precision as precision_gate
from tilewright.engine.sessions.base import DeviceMemoryError
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.cuda_check import cuda_problem
from tilewright.engine.sessions.cuda_options import CudaOptions
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.errors import DeviceError, InferenceError


def batch(count=1, height=12, width=16, planes=3):
    return np.random.default_rng(3).random((count, planes, height, width), np.float32)


def test_options_of_the_runtime(runtime, model):
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
    assert len(session.runs) == 1, "a new session has run once, so that its memory and algorithms are settled"


def test_fp32_session_has_no_tf32_and_a_float32_input(runtime, model):
    CudaSession(model, precision="fp32").take(1, 12, 16)
    assert runtime.last.provider_options["use_tf32"] == "0"
    tensor = runtime.last.network.graph.input[0].type.tensor_type
    assert tensor.elem_type == TensorProto.FLOAT


def test_every_option_can_be_changed(runtime, model):
    options = CudaOptions("NCHW", prefer_nhwc=False, fuse_conv_bias=False, algorithm_search="EXHAUSTIVE", graph=False)
    bound = CudaSession(model, precision="fp16", options=options).take(1, 12, 16)
    assert bound.batch.stored_shape == (1, 3, 12, 16)
    used = runtime.last.provider_options
    names = ("prefer_nhwc", "fuse_conv_bias", "cudnn_conv_algo_search", "enable_cuda_graph")
    assert [used[name] for name in names] == ["0", "0", "EXHAUSTIVE", "0"]


def test_network_is_converted_to_float16_with_a_fixed_shape_and_nhwc(runtime, model):
    session = CudaSession(model, precision="fp16")
    session.take(2, 12, 16)
    graph = runtime.last.network.graph
    tensor = graph.input[0].type.tensor_type
    assert [dim.dim_value for dim in tensor.shape.dim] == [2, 12, 16, 3]
    assert tensor.elem_type == graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert {tensor.data_type for tensor in graph.initializer} == {TensorProto.FLOAT16}
    assert [node.op_type for node in graph.node] == ["Transpose", "Conv", "PRelu", "Conv", "Transpose"], (
        "the tail must be removed"
    )
    onnx.checker.check_model(runtime.last.network)


@pytest.mark.parametrize("tail", [True, False])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0), ("fp16", 4e-3)])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.usefixtures("runtime")
def test_results_equal_those_of_the_cpu(tmp_path, layout, precision, tolerance, planes, tail):
    model = small_network(tmp_path / "small.onnx", planes=planes, tail=tail)
    images = batch(2, planes=planes)
    want = OnnxRuntimeSession(model, threads=1).run(images)
    session = CudaSession(model, precision=precision, options=CudaOptions(layout))
    got = session.run(images)
    assert got.dtype == session.dtype
    np.testing.assert_allclose(got.astype(np.float32), want, atol=tolerance, rtol=0)


def test_sessions_of_a_shape_are_reused(runtime, model):
    session = CudaSession(model, precision="fp16")
    for size in (12, 16, 12, 16):
        session.run(batch(height=size))
    assert [each.batch_shape for each in runtime.sessions] == [(1, 12, 16, 3), (1, 16, 16, 3)]
    for size in range(20, 20 + cuda_session._KEPT_SHAPES):
        session.run(batch(height=size))
    session.run(batch(height=12))
    assert runtime.last.batch_shape == (1, 12, 16, 3), "the session that was unused for longest must have been closed"


def test_shape_that_is_in_use_gets_a_second_session(runtime, model):
    session = CudaSession(model, precision="fp16")
    first, second = session.take(1, 12, 16), session.take(1, 12, 16)
    assert first.batch.pointer != second.batch.pointer
    session.give_back(second)
    session.give_back(first)
    assert session.take(1, 12, 16) in (first, second)
    assert len(runtime.sessions) == 2


def test_runtime_is_called_from_one_thread_only(runtime, model):
    session = CudaSession(model, precision="fp16")
    session.run(batch())
    other = threading.Thread(target=session.run, args=(batch(),))
    other.start()
    other.join()
    session.run(batch(height=20))
    assert len(runtime.threads) == 1
    assert threading.get_ident() not in runtime.threads


def test_provider_that_does_not_start_is_an_error(runtime, model):
    runtime.missing_provider = True
    with pytest.raises(DeviceError, match="CUDA cannot run small: its provider did not start"):
        CudaSession(model, precision="fp16").run(batch())
    for session in runtime.sessions:
        assert not session.runs, "nothing may run on the CPU"


@pytest.mark.parametrize(
    "message",
    [
        "CUDA failure 900: operation not permitted when stream is capturing",
        "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4096",
    ],
)
def test_session_runs_without_a_cuda_graph_if_capture_fails(runtime, model, caplog, message):
    session = CudaSession(model, precision="fp16")
    runtime.capture_error = message
    with caplog.at_level(logging.INFO, "tilewright"):
        first = session.take(1, 12, 16)
        session.take(1, 20, 16)
    assert caplog.text.count("small runs without a CUDA graph: ") == 1
    assert message in caplog.text
    failed, *others = runtime.sessions
    assert [each.provider_options["enable_cuda_graph"] for each in others] == ["0", "0"]
    assert first.stream.handle != int(failed.provider_options["user_compute_stream"]), (
        "the stream of the failed capture must not be reused"
    )
    want = OnnxRuntimeSession(model, threads=1).run(batch())
    np.testing.assert_allclose(session.run(batch()).astype(np.float32), want, atol=4e-3)


@pytest.mark.parametrize("arena", [0, 1000])
def test_too_little_memory_is_a_memory_error(runtime, kernels, model, arena):
    session = CudaSession(model, precision="fp16")
    runtime.arena_bytes = arena
    set_free_memory(kernels, 100_000)
    with pytest.raises(DeviceMemoryError, match="small"):
        session.take(4, 64, 64)
    session.take(1, 8, 8)


def test_unused_sessions_are_closed_if_memory_is_short(runtime, kernels, model):
    session = CudaSession(model, precision="fp16")
    runtime.arena_bytes = 100
    set_free_memory(kernels, 150 * 64 * 64)
    session.give_back(session.take(1, 64, 64))
    runtime.sessions.clear()
    session.take(1, 64, 60)


@pytest.mark.usefixtures("runtime")
def test_device_memory_is_freed_with_the_session(kernels, model):
    gc.collect()
    gc.disable()
    try:
        before = kernels.memory()
        session = CudaSession(model, precision="fp16")
        session.run(batch())
        assert kernels.memory() < before
        del session
        assert kernels.memory() == before, "memory must be freed without the garbage collector"
    finally:
        gc.enable()


def test_failed_run_is_an_inference_error(runtime, model):
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


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus"])
def test_results_of_a_real_device_equal_those_of_the_cpu(own_cache, name):
    from tilewright.models.loader import load_model
    from tilewright.models.probe import probe_batch

    model = load_model(name, 4, cache_dir=own_cache)
    probe = probe_batch(model.spec, 96)
    exact = OnnxRuntimeSession(model, threads=8)
    for precision, tolerance in (("fp32", 1e-3), ("fp16", 0.05)):
        got = CudaSession(model, precision=precision).run(probe).astype(np.float32)
        np.testing.assert_allclose(got, exact.run(probe), atol=tolerance, rtol=0)
    assert cuda_problem() is None
    assert precision_gate.passes_gate(exact, CudaSession(model, precision="fp16"))
