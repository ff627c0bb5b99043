"""ONNX Runtime on CPU and CUDA."""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import TYPE_CHECKING, Any

from tilewright.engine.sessions.base import from_graph, goes_straight, new_result, to_graph, without_tail
from tilewright.errors import DeviceError, InferenceError, ModelError
from tilewright.runtimes import import_runtime, onnxruntime_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tilewright.models.spec import Model


# Memory taken over the graph's own estimate. Seen for the networks of the catalog on the CPU: 1.04 to 1.75 (ONNX
# Runtime 1.31, 192 x 128 to 768 x 512 pixels).
_MEMORY = 1.75


class OnnxRuntimeSession:
    """A network on ONNX Runtime, in float32. Any tile shape; results on the CPU do not depend on it."""

    precision = "fp32"

    def __init__(self, model: Model, *, device: str, threads: int) -> None:
        """Opens the network.

        Args:
            model: the network.
            device: ``"cpu"`` or ``"cuda"``.
            threads: threads of the CPU provider.

        Raises:
            DeviceError: the runtime cannot be loaded, or CUDA was asked for and cannot run all of the graph.
            ModelError: the runtime does not take the file.
        """
        onnxruntime = import_runtime("onnxruntime")
        providers: list[Any]
        if device == "cuda":
            options = _cuda_options()
            providers = [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})]
        else:
            options = onnxruntime_options()
            options.intra_op_num_threads = threads
            providers = ["CPUExecutionProvider"]
        runnable = without_tail(model)
        try:
            self._session = onnxruntime.InferenceSession(runnable.network, options, providers=providers)
        except Exception as error:  # the runtime raises classes of its own without a common base
            if device == "cuda":
                raise DeviceError(f"CUDA cannot run {model.spec.name}: {error}") from error
            raise ModelError(f"ONNX Runtime does not take {model.path}: {error}", parameter="model") from error
        if device == "cuda" and self._session.get_providers()[0] != "CUDAExecutionProvider":
            raise DeviceError(f"CUDA cannot run {model.spec.name}: its provider did not start")
        self.spec = model.spec
        self.device = device
        self.tail = runnable.tail
        self.activation_bytes = runnable.bytes_per_pixel * _MEMORY
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        self._binds = goes_straight(model.spec) and device == "cpu"

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        graph_batch = to_graph(batch, self.spec)
        try:
            if self._binds:
                self._run_bound(graph_batch, result)
                return result
            values = self._session.run(None, {self._input: graph_batch})[0]
        except Exception as error:  # as above
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        from_graph(values, result, self.spec)
        return result

    def _run_bound(self, batch: NDArray[np.floating], result: NDArray[np.floating]) -> None:
        """Has the runtime write into `result`: no copy."""
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._input, batch)
        binding.bind_output(self._output, "cpu", 0, result.dtype.type, result.shape, result.ctypes.data)
        self._session.run_with_iobinding(binding)

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail)


@functools.cache
def cuda_problem() -> str | None:
    """Why CUDA cannot run here, or None when nothing speaks against it. Asked once per process."""
    onnxruntime = import_runtime("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return f"onnxruntime {onnxruntime.__version__} has no CUDA provider; install onnxruntime-gpu instead"
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver: {error}"
    if status := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit gave {status})"
    count = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    if count.value == 0:
        return "no CUDA device"
    if missing := _missing_cuda_libraries():
        return f"{missing}; install tilewright[cuda]"
    return _convolution_problem()


def _missing_cuda_libraries() -> str | None:
    """Loads the CUDA libraries that the provider needs from where pip puts them; names the first that is not there."""
    import contextlib
    import io

    onnxruntime = import_runtime("onnxruntime")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        onnxruntime.preload_dlls()
    failures = [line for line in said.getvalue().splitlines() if line.startswith("Failed to load")]
    return failures[0] if failures else None


def _convolution_problem() -> str | None:
    """Runs one convolution: a provider that starts may still lack cuDNN, or code for this GPU."""
    import numpy as np

    onnxruntime = import_runtime("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"], kernel_shape=[3, 3])],
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 6])],
        [weight],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    try:
        session = onnxruntime.InferenceSession(
            network.SerializeToString(), _cuda_options(), providers=["CUDAExecutionProvider"]
        )
        session.run(None, {"x": np.zeros((1, 3, 8, 8), np.float32)})
    except Exception as error:  # the runtime raises classes of its own without a common base
        return f"CUDA does not run a convolution: {error}"
    return None


def _cuda_options() -> Any:
    """Session options under which a node that CUDA does not take is an error, not a slow answer."""
    options = onnxruntime_options()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options
