"""Third-party runtimes: loaded at first use, and kept from calling home."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from tilewright.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The severity above that of errors.
_FATAL = 4


# The process that loaded a runtime. Their threads do not survive a fork, and a child would wait for them for ever.
_loaded_in: int | None = None


def check_process() -> None:
    """Refuses to run a network in a process that was forked after a runtime was loaded.

    Raises:
        DeviceError: this is such a process.
    """
    if _loaded_in not in (None, os.getpid()):
        raise DeviceError(
            "networks cannot run in a process that was forked after the first network was opened; "
            "fork earlier, or start processes with the method 'spawn' or 'forkserver'"
        )


def import_runtime(name: str) -> Any:
    """The module of a runtime.

    Upscaling a picture is nobody else's business: ONNX Runtime's telemetry is switched off, and OpenVINO, which reports
    its own import to an analytics service when the package openvino-telemetry is there, is imported without it.

    Args:
        name: of a module, such as ``"onnxruntime"`` or ``"openvino"``.

    Raises:
        DeviceError: it is not installed, or broken, or this process was forked from one that had it.
    """
    global _loaded_in
    check_process()
    _loaded_in = os.getpid()
    # A user who has set this variable has decided.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        with _hidden("openvino_telemetry"):
            return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a shared library behind it is missing
        raise DeviceError(f"{name} cannot be loaded: {error}") from error


def onnxruntime_options() -> Any:
    """Session options of ONNX Runtime that keep its messages off stderr: what it says there it raises as well.

    Raises:
        DeviceError: as `import_runtime`.
    """
    options = import_runtime("onnxruntime").SessionOptions()
    options.log_severity_level = _FATAL
    return options


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """A module that cannot be imported for the time being; whoever has it already keeps it."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
