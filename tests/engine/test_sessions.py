"""Sessions of onnxruntime and OpenVINO: they agree with each other, and obey the requested device and precision."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tilewright import Settings, Upscaler
from tilewright.engine.sessions import select
from tilewright.engine.sessions.cuda_host import CudaHostSession
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.select import open_session
from tilewright.engine.sessions.speed import time_ratio
from tilewright.errors import DeviceError, InferenceError, ModelError
from tilewright.models.loader import load_model
from tilewright.models.spec import Model, ModelSpec
from tilewright.testing import make_picture


@pytest.fixture(scope="module")
def model():
    return load_model("realesr-animevideov3", 4, cache_dir=Settings.from_environment().cache_dir)


def batch(height=48, width=40):
    return np.ascontiguousarray(make_picture(height, width).transpose(2, 0, 1)[None].astype(np.float32) / 255)


def openvino_session(model, precision):
    pytest.importorskip("openvino")
    from tilewright.engine.sessions.openvino import OpenVinoSession

    return OpenVinoSession(model, precision=precision, threads=2)


def test_openvino_in_float32_equals_onnxruntime(model):
    want = OnnxRuntimeSession(model, threads=2).run(batch())
    got = openvino_session(model, "fp32").run(batch())
    np.testing.assert_allclose(got, want, atol=2e-5)


def test_bf16_is_used_only_if_it_agrees_with_float32(model, monkeypatch):
    openvino_session(model, "fp32")
    from tilewright.engine.sessions import openvino
    from tilewright.engine.sessions import precision as precision_gate

    if not openvino.cpu_has_bf16():
        assert openvino.open_fastest(model, threads=2).precision == "fp32"
        pytest.skip("this CPU has no bf16")
    session = openvino.open_fastest(model, threads=2)
    assert session.precision == "bf16"
    exact = openvino_session(model, "fp32").run(batch()).copy()
    assert 1e-4 < np.abs(session.run(batch()) - exact).max() < 0.05, "the session must run in bf16"

    monkeypatch.setattr(precision_gate, "GATE_DB", 100.0)
    assert openvino.open_fastest(model, threads=2).precision == "fp32"


def test_precision_fp32_is_obeyed(model):
    assert open_session(model, device="cpu", precision="fp32", threads=2).precision == "fp32"


def test_without_openvino_onnxruntime_is_used_and_a_warning_is_logged_once(model, monkeypatch, caplog):
    monkeypatch.setattr(select, "_openvino_installed", lambda: False)
    monkeypatch.setattr(select, "default_isa", lambda: "scalar")  # on which the native engine is not chosen
    select._recommend_openvino.cache_clear()
    with caplog.at_level(logging.WARNING, "tilewright"):
        for _ in range(2):
            session = open_session(model, device="cpu", precision="auto", threads=2)
    assert session.runtime.startswith("onnxruntime ")
    assert caplog.text.count("install tilewright[cpu]") == 1


@pytest.fixture
def bf16(monkeypatch):
    """A CPU with bf16, on which OpenVINO has opened a session of the precision that is set."""
    pytest.importorskip("openvino")
    session = SimpleNamespace(precision="bf16")
    monkeypatch.setattr(select, "default_isa", lambda: "avx512")
    monkeypatch.setattr("tilewright.engine.sessions.openvino.cpu_has_bf16", lambda: True)
    monkeypatch.setattr(select, "_open_on_openvino", lambda *_: session)
    return session


@pytest.mark.parametrize(("ratio", "is_native"), [(0.79, False), (0.81, True)])
def test_bf16_on_openvino_is_chosen_if_it_is_measured_to_be_much_faster(model, bf16, monkeypatch, ratio, is_native):
    compared = []
    monkeypatch.setattr(select, "_prefers_bf16", {})
    monkeypatch.setattr(select, "time_ratio", lambda *sessions: compared.append(sessions) or ratio)
    for _ in range(2):  # measured once, so that both compute the same
        session = open_session(model, device="cpu", precision="auto", threads=1)
        assert session.runtime == "native" if is_native else session is bf16
    assert [(other is bf16, native.runtime) for other, native in compared] == [(True, "native")]


def test_nothing_is_measured_in_float32(model, bf16, monkeypatch):
    monkeypatch.setattr(select, "time_ratio", lambda *_: pytest.fail("measured"))
    assert open_session(model, device="cpu", precision="fp32", threads=1).runtime == "native"
    bf16.precision = "fp32"  # the network fails the gate
    assert open_session(model, device="cpu", precision="auto", threads=1).runtime == "native"


def test_network_that_the_engine_does_not_support_runs_elsewhere_or_is_an_error_that_says_why(bf16, monkeypatch):
    monkeypatch.setattr(select, "time_ratio", lambda *_: pytest.fail("measured"))
    other = load_model("realcugan-se", 2, cache_dir=Settings.from_environment().cache_dir)
    assert open_session(other, device="cpu", precision="auto", threads=1) is bf16
    with pytest.raises(ModelError, match=r"operator \w+.* is not supported"):
        open_session(other, device="cpu", precision="auto", threads=1, runtime="native")


@pytest.mark.usefixtures("bf16")
def test_the_engine_runs_if_openvino_is_broken(model, monkeypatch):
    def broken(*_):
        raise DeviceError("openvino cannot be loaded")

    monkeypatch.setattr(select, "_open_on_openvino", broken)
    assert open_session(model, device="cpu", precision="auto", threads=1).runtime == "native"
    with pytest.raises(DeviceError, match="cannot be loaded"):
        open_session(model, device="cpu", precision="auto", threads=1, runtime="openvino")
    monkeypatch.setattr("tilewright.engine.sessions.openvino.cpu_has_bf16", broken)
    assert select.preferred_runtime("auto") == (("native",), "the fastest in float32")


def test_runtime_that_is_chosen_and_not_installed_is_an_error(model, monkeypatch):
    monkeypatch.setattr(select, "_openvino_installed", lambda: False)
    with pytest.raises(DeviceError, match=r"runtime 'openvino' is not installed: install tilewright\[cpu\]"):
        open_session(model, device="cpu", precision="auto", threads=1, runtime="openvino")


def test_time_ratio_takes_the_fastest_runs_after_a_warm_up(model, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("tilewright.engine.sessions.speed.time.perf_counter", lambda: clock[0])

    class Session:
        spec = model.spec

        def __init__(self, *seconds):
            self._seconds = iter(seconds)

        def run(self, _):
            clock[0] += next(self._seconds)

    assert time_ratio(Session(0.1, 5, 3, 4), Session(0.2, 2, 4, 3)) == pytest.approx(1.5)


def test_cuda_that_cannot_run_is_an_error_instead_of_a_fallback_to_the_cpu(model):
    from tilewright.engine.sessions.cuda_check import cuda_problem

    if cuda_problem() is None:
        pytest.skip("CUDA is available")
    with pytest.raises(DeviceError, match="CUDA cannot run realesr-animevideov3"):
        CudaHostSession(model)


def test_cuda_is_available_only_if_it_runs_a_convolution(monkeypatch):
    """A working driver, a device and all libraries are not enough."""
    from tilewright.engine.sessions import cuda_check
    from tilewright.engine.sessions.cuda_check import cuda_problem

    if cuda_problem() is None:
        pytest.skip("CUDA is available")

    class Driver:
        def cuInit(self, _):  # noqa: N802
            return 0

        def cuDeviceGetCount(self, count):  # noqa: N802
            count._obj.value = 1

    monkeypatch.setattr(cuda_check.ctypes, "CDLL", lambda _: Driver())
    monkeypatch.setattr(cuda_check, "_missing_cuda_libraries", lambda: None)
    assert cuda_problem.__wrapped__().startswith("CUDA cannot run a convolution: ")
    monkeypatch.setattr(cuda_check, "_missing_cuda_libraries", lambda: "Failed to load libcudnn.so.9")
    assert cuda_problem.__wrapped__() == "Failed to load libcudnn.so.9; install tilewright[cuda]"


def test_runtime_that_cannot_be_imported_is_a_device_error(model, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeviceError, match="onnxruntime cannot be loaded"):
        OnnxRuntimeSession(model, threads=1)


def test_failed_run_is_an_inference_error(model):
    for session in (
        OnnxRuntimeSession(model, threads=2),
        open_session(model, device="cpu", precision="fp32", threads=2),
    ):
        with pytest.raises(InferenceError, match=r"realesr-animevideov3 failed on a batch of shape \(1, 4, 8, 8\)"):
            session.run(np.zeros((1, 4, 8, 8), np.float32))


def test_file_that_is_not_onnx_is_a_model_error(tmp_path):
    path = tmp_path / "not.onnx"
    path.write_bytes(b"not a network")
    broken = Model(path, ModelSpec(name="not", scale=4))
    with pytest.raises(ModelError, match="is not a readable ONNX file"):
        OnnxRuntimeSession(broken, threads=1)


def test_network_with_unknown_operators_is_a_model_error(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Frobnicate", ["x"], ["y"])],
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "H", "W"])],
    )
    path = tmp_path / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    odd = Model(path, ModelSpec(name="odd", scale=4))
    with pytest.raises(ModelError, match="ONNX Runtime does not accept"):
        OnnxRuntimeSession(odd, threads=1)
    pytest.importorskip("openvino")
    with pytest.raises(ModelError, match="OpenVINO does not accept"):
        openvino_session(odd, "fp32")


def test_result_whose_size_contradicts_the_spec_is_an_error(tmp_path):
    wrong = Model(repeating_network(tmp_path / "two.onnx"), ModelSpec(name="two", scale=3))
    with pytest.raises(
        InferenceError, match=r"two failed .* \{1,3,144,120\} but the computed output shape .* is \{1,3,96,80\}"
    ):
        OnnxRuntimeSession(wrong, threads=1).run(batch())
    pytest.importorskip("openvino")
    with pytest.raises(InferenceError, match="two"):
        openvino_session(wrong, "fp32").run(batch())


def repeating_network(path, *, layout="NCHW", dtype=np.float32, planes=3, darken_first=False):
    """Writes a network that repeats pixels by a factor of 2.

    Args:
        path: File to write.
        layout: "NCHW" or "NHWC".
        dtype: float32 or float16, of input and output.
        planes: Number of channels.
        darken_first: Halves the first channel, which shows whether the network gets RGB or BGR.
    """
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    shape = ["n", planes, "h", "w"] if layout == "NCHW" else ["n", "h", "w", planes]
    larger = ["n", planes, "H", "W"] if layout == "NCHW" else ["n", "H", "W", planes]
    nodes, inputs, last = [], [], "x"
    factors = [1, 1, 2, 2]
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2]))
        last = "nchw"
    if darken_first:
        gains = np.array([0.5, 1, 1], dtype).reshape(1, 3, 1, 1)
        inputs.append(numpy_helper.from_array(gains, "gains"))
        nodes.append(helper.make_node("Mul", [last, "gains"], ["gained"]))
        last = "gained"
    inputs.append(numpy_helper.from_array(np.array(factors, np.float32), "factors"))
    nodes.append(
        helper.make_node(
            "Resize", [last, "", "factors"], ["larger"], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )
    )  # fmt: skip
    nodes.append(
        helper.make_node("Transpose", ["larger"], ["y"], perm=[0, 2, 3, 1])
        if layout == "NHWC"
        else helper.make_node("Identity", ["larger"], ["y"])
    )
    graph = helper.make_graph(
        nodes,
        "repeating",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", element, larger)],
        inputs,
    )
    assert element in (TensorProto.FLOAT, TensorProto.FLOAT16)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("openvino_installed", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"layout": "NHWC"}, {"dtype": np.float16}, {"planes": 1}, {"planes": 1, "layout": "NHWC"}]
)
def test_network_gets_the_layout_dtype_and_channels_of_its_input(tmp_path, monkeypatch, options, openvino_installed):
    if not openvino_installed:
        monkeypatch.setattr(select, "_openvino_installed", lambda: False)
    path = repeating_network(tmp_path / "repeating.onnx", **options)
    upscaler = Upscaler(model=path, device="cpu", precision="fp32", store="memory://repeating", tile=24)
    picture = make_picture(40, 50, 4)
    picture[:, :, 3] |= 1  # hidden colours would be replaced
    result = upscaler.upscale_array(picture, 2)
    want = picture.repeat(2, 0).repeat(2, 1)
    tolerance = 1 if options.get("dtype") is np.float16 else 0
    assert np.abs(result.astype(int) - want).max() <= tolerance


def test_network_gets_bgr_if_the_spec_says_so(tmp_path):
    path = repeating_network(tmp_path / "bgr.onnx", darken_first=True)
    picture = make_picture(20, 24) // 2 * 2
    blue_darkened = picture // np.array([1, 1, 2], np.uint8)
    upscaler = Upscaler(
        model=path, device="cpu", precision="fp32", spec={"channel_order": "BGR"}, store="memory://repeating"
    )
    np.testing.assert_array_equal(upscaler.upscale_array(picture, 2), blue_darkened.repeat(2, 0).repeat(2, 1))
    red_darkened = Upscaler(model=path, device="cpu", precision="fp32", store="memory://repeating")
    assert (red_darkened.upscale_array(picture, 2)[::2, ::2, 2] == picture[:, :, 2]).all()


def test_long_network_runs_on_onnxruntime(model, monkeypatch):
    """OpenVINO compiles a network in time that grows with the square of its number of nodes."""
    pytest.importorskip("openvino")
    options = {"device": "cpu", "threads": 1, "runtime": "openvino"}
    assert not isinstance(open_session(model, precision="fp32", **options), OnnxRuntimeSession)
    monkeypatch.setattr("tilewright.engine.sessions.openvino.MAX_NODES", 30)
    for precision in ("auto", "fp32"):
        session = open_session(model, precision=precision, **options)
        assert isinstance(session, OnnxRuntimeSession)
