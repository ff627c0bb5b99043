"""Inspects ONNX files in a process of its own, under a deadline.

An ONNX file is a program: it can loop for ever, take all memory, or crash the runtime. Neither
Python nor a runtime can end such work inside a process, but a process can be ended. Named networks
of the catalog are not inspected.

The other process gets this one's module path and one request on its standard input, and answers in
JSON. Unlike `multiprocessing`, this does not run the program's main module again, so it works in
scripts without a ``__main__`` guard, in notebooks and in threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tilewright.models.spec import ModelSpec

_log = logging.getLogger("tilewright")

DEADLINE = 60.0
"""Seconds for the inspection of a file, after which the other process ends itself."""

# Seconds for the start of the process, which imports the runtime.
_START = 60.0

# Exit status of a process that exceeded its deadline; `faulthandler` sets it.
_OVERDUE = 1

# What the process prints before it opens the file. Without it, the process could not be started;
# with it, the file is to blame for everything after it.
_READY = b"ready\n"

# Reads the request and answers it. With -P, the working directory is not on the path of its imports.
_PROGRAM = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request["sys_path"]
from tilewright.models.inspection import answer
answer(request)
"""


def inspect_file(path: Path, overrides: Mapping[str, object]) -> ModelSpec:
    """Detects the facts about an ONNX file, see `tilewright.models.inspect.inspect_onnx`.

    The facts of the last files are kept until a file changes. A frozen or embedded program, which
    has no Python interpreter to start, inspects the file in its own process and without a deadline.

    Args:
        path: The file.
        overrides: `ModelSpec` fields to use instead of detected values.

    Raises:
        ModelError: See `inspect_onnx`; or the inspection exceeded its deadline, or its process
            died.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise ModelError(f"there is no ONNX file at {path}", parameter="model") from error
    try:
        given = json.dumps(dict(overrides), sort_keys=True, default=_plain)
    except (TypeError, ValueError) as error:
        raise ModelError(f"a given field of ModelSpec is not a plain value: {error}", parameter="model") from error
    return _inspected(str(path), (found.st_mtime_ns, found.st_size), given)


@functools.lru_cache(maxsize=64)
def _inspected(path: str, _version: tuple[int, int], overrides: str) -> ModelSpec:
    executable = _interpreter()
    reply = None if executable is None else _reply(executable, path, overrides)
    if reply is None:
        _log.info("%s is inspected in this process, without a deadline", path)
        return _inspected_here(path, json.loads(overrides))
    if "error" in reply:
        raise ModelError(**reply["error"])
    return _spec(reply["spec"])


def _interpreter() -> str | None:
    """Returns the Python interpreter that runs this program; None if it is frozen or embedded."""
    name = Path(sys.executable or "").stem.lower()
    if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")):
        return None
    return sys.executable


def _reply(executable: str, path: str, overrides: str) -> dict[str, Any] | None:
    """Runs the other process and returns its answer; None if it cannot be started."""
    request = {"sys_path": sys.path, "path": path, "overrides": json.loads(overrides), "deadline": DEADLINE}
    try:
        process = subprocess.run(
            [executable, "-P", "-c", _PROGRAM],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_START + DEADLINE,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise _overdue(path) from error
    except OSError:
        return None
    if not process.stdout.startswith(_READY):
        return None
    try:
        reply: dict[str, Any] = json.loads(process.stdout.removeprefix(_READY))
    except ValueError as error:
        if process.returncode == _OVERDUE:
            raise _overdue(path) from error
        raise ModelError(
            f"the process that inspected {path} died with status {process.returncode}; "
            "the file is damaged, or its network needs more memory than there is",
            parameter="model",
        ) from error
    return reply


def _overdue(path: str) -> ModelError:
    return ModelError(
        f"inspecting {path} takes longer than {DEADLINE:g} seconds; if the file is trusted, give its scale, "
        "value_range, multiple_of and minimum, so that it need not be run",
        parameter="model",
    )


def answer(request: Mapping[str, Any]) -> None:
    """Answers a request, in the other process."""
    import faulthandler

    # Nothing else may write to the standard output.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    import tilewright.models.inspect  # noqa: F401

    output.write(_READY)
    # It ends this process even if native code never returns, and if the parent has died.
    faulthandler.dump_traceback_later(request["deadline"], exit=True)
    try:
        reply: dict[str, Any] = {"spec": dataclasses.asdict(_inspected_here(request["path"], request["overrides"]))}
    except ModelError as error:
        reply = {"error": {name: getattr(error, name) for name in ("message", "code", "parameter", "allowed_values")}}
    output.write(json.dumps(reply).encode())
    # The runtime's threads may be in any state, and nothing is left to do.
    os._exit(0)


def _inspected_here(path: str, overrides: Mapping[str, object]) -> ModelSpec:
    from tilewright.models.inspect import inspect_onnx, load_onnx

    try:
        return inspect_onnx(Path(path), load_onnx(Path(path)), overrides)
    except ModelError:
        raise
    except Exception as error:  # protobuf, onnx and NumPy raise all kinds for graphs that are not valid
        message = f"{path} cannot be inspected: {type(error).__name__}: {error}"
        raise ModelError(message[:1000], parameter="model") from error


def _plain(value: Any) -> object:
    """Converts values that JSON does not know, such as NumPy's numbers."""
    with contextlib.suppress(AttributeError):
        return value.tolist()
    raise TypeError(repr(value))


def _spec(fields: Mapping[str, Any]) -> ModelSpec:
    from tilewright.models.spec import ModelSpec

    found: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return ModelSpec(**found)
