"""Selects the device, and the runtime for a network."""

from __future__ import annotations

import functools
import importlib.util
import logging
from typing import TYPE_CHECKING

from tilewright.engine.sessions.cuda_check import cuda_problem, kernels_problem
from tilewright.engine.sessions.layout import is_native_layout
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.precision import PROBE_SIZE
from tilewright.errors import DeviceError
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from tilewright.engine.sessions.base import Session
    from tilewright.models.spec import Model

_log = logging.getLogger("tilewright")


def resolve_device(device: str) -> str:
    """Resolves ``"auto"``, ``"cpu"`` or ``"cuda"`` to ``"cpu"`` or ``"cuda"``.

    Raises:
        DeviceError: CUDA was requested and cannot run, or the name is unknown.
    """
    if device == "cpu":
        return device
    if device not in ("auto", "cuda"):
        raise DeviceError(f"device must be 'auto', 'cpu' or 'cuda', not {device!r}", parameter="device")
    problem = cuda_problem()
    if problem is None:
        return "cuda"
    if device == "cuda":
        raise DeviceError(f"device 'cuda' cannot run: {problem}", parameter="device")
    _log.info("running on the CPU: %s", problem)
    return "cpu"


def open_session(model: Model, *, device: str, precision: str, threads: int) -> Session:
    """Opens a network on the fastest runtime for a device.

    Args:
        model: The network.
        device: ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"``, ``"fp32"``, or ``"fp16"`` on CUDA.
        threads: Threads of the runtime on the CPU.

    Raises:
        DeviceError: The device cannot run the network, or not in this precision.
        ModelError: The runtime does not accept the file.
    """
    if device == "cuda":
        return _open_on_cuda(model, precision)
    if precision == "fp16":
        raise DeviceError("precision 'fp16' requires CUDA; this network runs on the CPU", parameter="precision")
    if not _openvino_installed():
        _recommend_openvino()
        return OnnxRuntimeSession(model, threads=threads)
    from tilewright.engine.sessions.openvino import LongGraphError, OpenVinoSession, open_fastest

    try:
        if precision == "fp32":
            return OpenVinoSession(model, precision="fp32", threads=threads)
        return open_fastest(model, threads=threads)
    except LongGraphError as error:
        _log.info("running on ONNX Runtime: %s", error)
        return OnnxRuntimeSession(model, threads=threads)


def _open_on_cuda(model: Model, precision: str) -> Session:
    """Opens a network with tiles that stay on the device, if it supports that."""
    problem = kernels_problem()
    if problem is None and not is_native_layout(model.spec):
        problem = f"the layout of {model.spec.name} is not supported by the CUDA kernels"
    if problem is None:
        from tilewright.engine.sessions.cuda import CudaSession, open_fastest

        if precision == "auto":
            return open_fastest(model)
        session = CudaSession(model, precision="fp16" if precision == "fp16" else "fp32")
        session.run(probe_batch(model.spec, PROBE_SIZE))  # fails now, not with the first picture
        return session
    if precision == "fp16":
        raise DeviceError(f"precision 'fp16' requires tiles that stay on the device: {problem}", parameter="precision")
    from tilewright.engine.sessions.cuda_host import CudaHostSession

    _log.info("%s runs on CUDA with tiles in host memory: %s", model.spec.name, problem)
    return CudaHostSession(model)


def _openvino_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def _recommend_openvino() -> None:
    """Logs, once per process, how to make the CPU faster."""
    _log.warning(
        "running on ONNX Runtime, which is 1.4 to 3 times slower on CPUs than OpenVINO: install tilewright[cpu]"
    )
