"""Which runtime runs a network."""

from __future__ import annotations

import functools
import importlib.util
import logging
from typing import TYPE_CHECKING

from tilewright.engine.sessions.base import goes_straight
from tilewright.engine.sessions.cuda_check import cuda_problem, kernels_problem
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.precision import PROBE_SIZE
from tilewright.errors import DeviceError
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from tilewright.engine.sessions.base import Session
    from tilewright.models.spec import Model

_log = logging.getLogger("tilewright")


def resolve_device(device: str) -> str:
    """``"cpu"`` or ``"cuda"`` for a wish of ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        DeviceError: CUDA was asked for and cannot run, or the name is unknown.
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
    """Opens a network on the best runtime for a device.

    Args:
        model: the network.
        device: ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"``, ``"fp32"``, or ``"fp16"`` on CUDA.
        threads: threads of the runtime on the CPU.

    Raises:
        DeviceError: the device cannot run the network, or not in this precision.
        ModelError: the runtime does not take the file.
    """
    if device == "cuda":
        return _open_on_cuda(model, precision)
    if precision == "fp16":
        raise DeviceError("precision 'fp16' is for CUDA; networks run on the CPU here", parameter="precision")
    if not _openvino_installed():
        _say_what_openvino_would_bring()
        return OnnxRuntimeSession(model, threads=threads)
    from tilewright.engine.sessions.openvino import OpenVinoSession, open_best

    if precision == "fp32":
        return OpenVinoSession(model, precision="fp32", threads=threads)
    return open_best(model, threads=threads)


def _open_on_cuda(model: Model, precision: str) -> Session:
    """With tiles that stay on the device, where they can."""
    problem = kernels_problem()
    if problem is None and not goes_straight(model.spec):
        problem = f"{model.spec.name} takes other arrays than the kernels make"
    if problem is None:
        from tilewright.engine.sessions.cuda import CudaSession, open_best

        if precision == "auto":
            return open_best(model)
        session = CudaSession(model, precision="fp16" if precision == "fp16" else "fp32")
        session.run(probe_batch(model.spec, PROBE_SIZE))  # what CUDA cannot run is known now, not with a picture
        return session
    if precision == "fp16":
        raise DeviceError(f"precision 'fp16' needs tiles that stay on the device: {problem}", parameter="precision")
    from tilewright.engine.sessions.cuda_host import CudaHostSession

    _log.info("%s is fed from the host's memory: %s", model.spec.name, problem)
    return CudaHostSession(model)


def _openvino_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def _say_what_openvino_would_bring() -> None:
    """Once per process."""
    _log.warning("running on ONNX Runtime, 1.4 to 3 times slower on CPUs than OpenVINO: install tilewright[cpu]")
