"""Selects the device, and the runtime for a network."""

from __future__ import annotations

import functools
import importlib.util
import logging
from typing import TYPE_CHECKING

from tilewright._core import HAS_ENGINE, default_isa
from tilewright.engine.sessions.cuda_check import cuda_problem, kernels_problem
from tilewright.engine.sessions.layout import is_native_layout
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.precision import PROBE_SIZE
from tilewright.engine.sessions.speed import time_ratio
from tilewright.errors import DeviceError, ModelError
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from pathlib import Path

    from tilewright.engine.sessions.base import Session
    from tilewright.literals import Runtime
    from tilewright.models.spec import Model

_log = logging.getLogger("tilewright")

# Time in bf16, relative to that in float32, below which bf16 is preferred.
_WORTHWHILE = 0.8

# Whether bf16 is preferred, by file, its time of modification, and threads. It is measured once in a process, so that
# all sessions of a network give the same results there.
_prefers_bf16: dict[tuple[Path, int, int], bool] = {}


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


def preferred_runtime(runtime: Runtime, precision: str = "auto") -> tuple[tuple[str, ...], str]:
    """Returns what runs the networks on the CPU, and why.

    Our own engine computes in float32, where it is the fastest: it takes 0.3 to 0.5 of OpenVINO's
    time for the networks of the catalog (on a Zen 3 with AVX2). OpenVINO in bf16 may be faster, which
    depends on the CPU, so that is measured when a network is opened.

    Args:
        runtime: See `tilewright.Settings`.
        precision: ``"auto"`` or ``"fp32"``.

    Returns:
        The runtimes to open, of which the fastest is kept: ``"native"``, ``"openvino"`` or
        ``"onnxruntime"``. The reason is a phrase.

    Raises:
        DeviceError: The runtime was chosen and is not installed.
    """
    has_openvino = _openvino_installed()
    if runtime == "openvino" and not has_openvino:
        raise DeviceError("runtime 'openvino' is not installed: install tilewright[cpu]", parameter="runtime")
    if runtime == "native" and not HAS_ENGINE:
        raise DeviceError("runtime 'native' is not part of this build", parameter="runtime")
    if runtime != "auto":
        return (runtime,), "chosen by TILEWRIGHT_RUNTIME"
    if not HAS_ENGINE:
        return ("openvino" if has_openvino else "onnxruntime",), "this build has no native engine"
    if default_isa() == "scalar":
        return ("openvino" if has_openvino else "onnxruntime",), "the native engine is only faster with AVX2"
    if precision == "auto" and has_openvino and openvino_has_bf16():
        return ("native", "openvino"), "this CPU has bf16, so the faster one is measured for each network"
    return ("native",), "the fastest in float32"


def open_session(model: Model, *, device: str, precision: str, threads: int, runtime: Runtime = "auto") -> Session:
    """Opens a network on the fastest runtime for a device.

    Args:
        model: The network.
        device: ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"``, ``"fp32"``, or ``"fp16"`` on CUDA.
        threads: Threads of the runtime on the CPU.
        runtime: What runs networks on the CPU, see `preferred_runtime`.

    Raises:
        DeviceError: The device cannot run the network, or not in this precision, or the runtime is
            not installed.
        ModelError: The runtime does not accept the file.
    """
    if device == "cuda":
        return _open_on_cuda(model, precision)
    if precision == "fp16":
        raise DeviceError("precision 'fp16' requires CUDA; this network runs on the CPU", parameter="precision")
    runtimes, _ = preferred_runtime(runtime, precision)
    native = _open_on_native(model, threads, required=runtime == "native") if "native" in runtimes else None
    if native is not None and len(runtimes) == 1:
        return native
    if runtime == "onnxruntime":
        return OnnxRuntimeSession(model, threads=threads)
    try:
        other = _open_on_openvino(model, precision, threads)
    except (DeviceError, ModelError) as error:
        if native is None:
            raise
        _log.info("%s runs on the native engine: %s", model.spec.name, error)
        return native
    # bf16 rounds more, so it has to save much time.
    if native is None or (other.precision == "bf16" and _saves_much_time(other, native, model, threads)):
        return other
    return native


def _saves_much_time(session: Session, other: Session, model: Model, threads: int) -> bool:
    key = (model.path, model.path.stat().st_mtime_ns, threads)
    if key not in _prefers_bf16:
        _prefers_bf16.setdefault(key, time_ratio(session, other) < _WORTHWHILE)
    return _prefers_bf16[key]


def openvino_has_bf16() -> bool:
    """Returns whether OpenVINO, which is installed, can be loaded and computes in bf16 on this CPU."""
    from tilewright.engine.sessions.openvino import cpu_has_bf16

    try:
        return cpu_has_bf16()
    except DeviceError as error:  # it is installed, and broken
        _log.info("%s", error)
        return False


def _open_on_native(model: Model, threads: int, *, required: bool) -> Session | None:
    """Opens a network on our own engine; returns None if the engine does not support it.

    Raises:
        UnsupportedGraphError: The engine does not support it and is required.
    """
    from tilewright.engine.sessions.native import NativeSession
    from tilewright.models.graph.convolutions import UnsupportedGraphError

    try:
        return NativeSession(model, threads=threads)
    except UnsupportedGraphError as error:
        if required:
            raise UnsupportedGraphError(
                f"{model.spec.name} does not run on the native engine, which TILEWRIGHT_RUNTIME requires: {error}",
                parameter="model",
            ) from error
        _log.info("%s does not run on the native engine: %s", model.spec.name, error)
        return None


def _open_on_openvino(model: Model, precision: str, threads: int) -> Session:
    """Opens a network on OpenVINO, or on ONNX Runtime if OpenVINO is not installed or would take minutes."""
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
