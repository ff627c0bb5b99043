"""Loads third-party inference runtimes at first use, with their telemetry off."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from tilewright.errors import DeviceError
from tilewright.forks import SingleProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# ONNX Runtime's highest severity, above that of errors.
_FATAL = 4

# A runtime's threads do not survive a fork: a child that used them would wait forever. Neither does
# CUDA. A runtime that is only loaded has nothing that a child would miss.
_networks = SingleProcess("networks cannot run in a process that was forked after the first network was opened")


def check_process() -> None:
    """Refuses to run networks in a process that was forked after a network had been opened.

    Raises:
        DeviceError: This process was forked from one that had opened a network.
    """
    _networks.check()


def use_process() -> None:
    """Notes that this process opens a network or starts CUDA, so that forked children cannot.

    Raises:
        DeviceError: As for `check_process`.
    """
    _networks.use()


def import_runtime(name: str) -> Any:
    """Imports a runtime with its telemetry off.

    ONNX Runtime's telemetry is switched off by its environment variable. OpenVINO reports its own
    import to an analytics service if the package openvino-telemetry is installed, so that package is
    hidden during the import.

    Args:
        name: Module name, such as ``"onnxruntime"`` or ``"openvino"``.

    Returns:
        The module.

    Raises:
        DeviceError: The runtime is not installed or is broken, or this process was forked from one
            that had opened a network.
    """
    check_process()
    # A value set by the user is respected.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        with _hidden("openvino_telemetry"):
            return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a shared library that the module needs is missing
        raise DeviceError(f"{name} cannot be loaded: {error}") from error


def onnxruntime_options() -> Any:
    """Makes ONNX Runtime session options that keep its messages off stderr.

    ONNX Runtime raises every error that it would print there.

    Returns:
        An ``onnxruntime.SessionOptions``.

    Raises:
        DeviceError: ONNX Runtime cannot be loaded, see `import_runtime`.
    """
    options = import_runtime("onnxruntime").SessionOptions()
    options.log_severity_level = _FATAL
    return options


def open_onnx(
    network: str | bytes,
    options: Any,
    *,
    providers: Sequence[str | tuple[str, Mapping[str, str]]] = ("CPUExecutionProvider",),
) -> Any:
    """Opens a network in ONNX Runtime, without falling back to providers that were not asked for.

    Args:
        network: Path of an ONNX file, or its content.
        options: An ``onnxruntime.SessionOptions``, see `onnxruntime_options`.
        providers: Execution providers in order of preference, each a name or a pair of a name and
            its options.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        Exception: ONNX Runtime refuses the network or the providers. Its exceptions share no base
            class, so callers catch all of them and raise their own.
    """
    runtime = import_runtime("onnxruntime")
    use_process()
    return runtime.InferenceSession(network, options, providers=list(providers), enable_fallback=0)


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Makes a module impossible to import inside the block, unless it has been imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
