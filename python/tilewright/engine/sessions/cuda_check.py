"""Checks whether CUDA and the CUDA kernels can run here, each once per process."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import io
import sys
from typing import TYPE_CHECKING

from tilewright.engine.sessions.cuda_options import PROVIDER, session_options
from tilewright.runtimes import import_runtime, open_onnx, use_process

if TYPE_CHECKING:
    from types import ModuleType


def cuda_kernels() -> ModuleType:
    """Returns the module with the CUDA kernels. Check `kernels_problem` first."""
    return importlib.import_module("tilewright._cuda")


@functools.cache
def kernels_problem() -> str | None:
    """Returns why tiles cannot stay in device memory from gather to blend; None if they can."""
    try:
        kernels = cuda_kernels()
    except ModuleNotFoundError:
        return "tilewright was built without CUDA"
    except ImportError as error:
        return f"tilewright's CUDA module cannot be loaded: {error}"
    problem: str | None = kernels.problem()
    return problem


@functools.cache
def cuda_problem() -> str | None:
    """Returns why CUDA cannot run here; None if it can."""
    onnxruntime = import_runtime("onnxruntime")
    if PROVIDER not in onnxruntime.get_available_providers():
        return f"onnxruntime {onnxruntime.__version__} has no CUDA provider; install onnxruntime-gpu instead"
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver: {error}"
    if status := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit returned {status})"
    count = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    if count.value == 0:
        return "no CUDA device"
    use_process()
    if missing := _missing_cuda_libraries():
        return f"{missing}; install tilewright[cuda]"
    return _convolution_problem()


def _missing_cuda_libraries() -> str | None:
    """Loads the CUDA libraries that pip installed; returns the message about a missing one."""
    onnxruntime = import_runtime("onnxruntime")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        onnxruntime.preload_dlls()
    failures = [line for line in output.getvalue().splitlines() if line.startswith("Failed to load")]
    return failures[0] if failures else None


def _convolution_problem() -> str | None:
    """Runs one convolution. A provider that starts may still lack cuDNN, or code for this GPU."""
    import numpy as np
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
        session = open_onnx(network.SerializeToString(), session_options(), providers=[PROVIDER])
        session.run(None, {"x": np.zeros((1, 3, 8, 8), np.float32)})
    except Exception as error:  # the runtime's exceptions have no common base class
        return f"CUDA cannot run a convolution: {error}"
    return None
