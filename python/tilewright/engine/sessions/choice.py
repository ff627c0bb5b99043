"""Which runtime runs a network."""

from __future__ import annotations

import functools
import importlib.util
import logging
from typing import TYPE_CHECKING

from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession, cuda_problem
from tilewright.errors import DeviceError

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
        precision: ``"auto"`` or ``"fp32"``.
        threads: threads of the runtime on the CPU.

    Raises:
        DeviceError: CUDA cannot run the network.
        ModelError: the runtime does not take the file.
    """
    if device == "cuda":
        return OnnxRuntimeSession(model, device=device, threads=threads)
    if not _openvino_installed():
        _say_what_openvino_would_bring()
        return OnnxRuntimeSession(model, device=device, threads=threads)
    from tilewright.engine.sessions.openvino import OpenVinoSession, open_best

    if precision == "fp32":
        return OpenVinoSession(model, precision="fp32", threads=threads)
    return open_best(model, threads=threads)


def _openvino_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def _say_what_openvino_would_bring() -> None:
    """Once per process."""
    _log.warning("running on ONNX Runtime, 1.4 to 3 times slower on CPUs than OpenVINO: install tilewright[cpu]")
