"""ONNX Runtime on CPU and CUDA."""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import TYPE_CHECKING, Any

from tilewright.engine.sessions.base import from_graph, to_graph
from tilewright.errors import DeviceError, InferenceError, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tilewright.models.spec import Model

# Messages of severity error and below: the runtime prints them to stderr on top of raising.
_FATAL = 4


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
            DeviceError: CUDA was asked for and cannot run all of the graph.
            ModelError: the runtime does not take the file.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = threads
        providers: list[Any] = ["CPUExecutionProvider"]
        if device == "cuda":
            # A node that CUDA does not take is an error, not a slow answer.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            providers = [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})]
        try:
            self._session = onnxruntime.InferenceSession(str(model.path), options, providers=providers)
        except Exception as error:  # the runtime raises classes of its own without a common base
            if device == "cuda":
                raise DeviceError(f"CUDA cannot run {model.spec.name}: {error}") from error
            raise ModelError(f"ONNX Runtime does not take {model.path}: {error}", parameter="model") from error
        if device == "cuda" and self._session.get_providers()[0] != "CUDAExecutionProvider":
            raise DeviceError(f"CUDA cannot run {model.spec.name}: its provider did not start")
        self.spec = model.spec
        self.device = device
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Session.run`."""
        try:
            result = self._session.run(None, {self._input: to_graph(batch, self.spec)})[0]
        except Exception as error:  # as above
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        return from_graph(result, self.spec)


@functools.cache
def cuda_problem() -> str | None:
    """Why CUDA cannot run here, or None when nothing speaks against it. Asked once per process."""
    import onnxruntime

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
    missing = _missing_cuda_libraries()
    if missing:
        return f"{missing}; install tilewright[cuda]"
    return None


def _missing_cuda_libraries() -> str | None:
    """Loads the CUDA libraries that the provider needs from where pip puts them; names the first that is not there."""
    import contextlib
    import io

    import onnxruntime

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        onnxruntime.preload_dlls()
    failures = [line for line in said.getvalue().splitlines() if line.startswith("Failed to load")]
    return failures[0] if failures else None
