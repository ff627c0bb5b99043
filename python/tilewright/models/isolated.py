"""Runs work on files that are not trusted in a process of its own, under limits of time and memory.

A network is a program: it can loop for ever, take all memory, or crash the runtime. Neither Python
nor a runtime can end such work inside a process, but a process can be ended.

The other process gets this one's module path and one request on its standard input, and answers in
JSON. Unlike `multiprocessing`, this does not run the program's main module again, so it works in
scripts without a ``__main__`` guard, in notebooks and in threads.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.cgroups import memory_limit
from tilewright.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("tilewright")

# Seconds for the start of the process, which imports the runtime.
_START = 120.0

# Exit status of a process that exceeded its deadline; `faulthandler` sets it.
_OVERDUE = 1

# What the process prints before it opens the file. Without it, the process could not be started;
# with it, the file is to blame for everything after it.
_READY = b"ready\n"

# Share of the machine's memory that the process may use.
_MEMORY_SHARE = 0.75

# Reads the request and answers it. With -P, the working directory is not on the path of its imports.
_PROGRAM = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request["sys_path"]
from tilewright.models.isolated import answer
answer(request)
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A call of a function with values that JSON can express.

    Attributes:
        module: Full name of the module; importing it must load all that the work needs.
        function: Name of a function of that module. It takes one dict and returns a JSON value.
        subject: What it does, for messages, such as ``"inspecting a.onnx"``.
        deadline: Seconds that it may take.
        advice: What to do if it takes longer; may be empty.
    """

    module: str
    function: str
    subject: str
    deadline: float
    advice: str = ""


def run(work: Work, arguments: Mapping[str, Any]) -> Any:
    """Runs work in another process and returns its result.

    A frozen or embedded program, which has no Python interpreter to start, does the work in its own
    process and without limits.

    Raises:
        ModelError: The function raised an error, exceeded its deadline, or its process died.
    """
    executable = _interpreter()
    reply = None if executable is None else _reply(executable, work, arguments)
    if reply is None:
        _log.info("%s in this process, without limits", work.subject)
        return _done(work, arguments)
    if "error" in reply:
        raise ModelError(**reply["error"])
    return reply["result"]


def _interpreter() -> str | None:
    """Returns the Python interpreter that runs this program; None if it is frozen or embedded."""
    name = Path(sys.executable or "").stem.lower()
    if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")):
        return None
    return sys.executable


def _reply(executable: str, work: Work, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Runs the other process and returns its answer; None if it cannot be started."""
    began = time.monotonic()
    request = {"sys_path": sys.path, "work": asdict(work), "arguments": dict(arguments)}
    try:
        process = subprocess.run(
            [executable, "-P", "-c", _PROGRAM],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_START + work.deadline,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise _overdue(work) from error
    except OSError:
        return None
    if not process.stdout.startswith(_READY):
        return None
    try:
        reply: dict[str, Any] = json.loads(process.stdout.removeprefix(_READY))
    except ValueError as error:
        # Python has the same status for a process that an exception ended.
        if process.returncode == _OVERDUE and time.monotonic() - began >= work.deadline:
            raise _overdue(work) from error
        raise ModelError(
            f"the process {work.subject} died with status {process.returncode}; "
            "the file is damaged, or its network needs more memory than there is",
            parameter="model",
        ) from error
    return reply


def _overdue(work: Work) -> ModelError:
    message = f"{work.subject} takes longer than {work.deadline:g} seconds"
    return ModelError(f"{message}; {work.advice}" if work.advice else message, parameter="model")


def answer(request: Mapping[str, Any]) -> None:
    """Answers a request, in the other process."""
    import faulthandler

    # Nothing else may write to the standard output.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    work = Work(**request["work"])
    importlib.import_module(work.module)
    _limit_memory()
    output.write(_READY)
    # It ends this process even if native code never returns, and if the parent has died.
    faulthandler.dump_traceback_later(work.deadline, exit=True)
    try:
        reply: dict[str, Any] = {"result": _done(work, request["arguments"])}
    except ModelError as error:
        reply = {"error": {name: getattr(error, name) for name in ("message", "code", "parameter", "allowed_values")}}
    output.write(json.dumps(reply).encode())
    # The runtime's threads may be in any state, and nothing is left to do.
    os._exit(0)


def _done(work: Work, arguments: Mapping[str, Any]) -> Any:
    """Does the work in this process."""
    try:
        return getattr(importlib.import_module(work.module), work.function)(arguments)
    except ModelError:
        raise
    except Exception as error:  # the libraries that read networks raise all kinds of exceptions
        message = f"{work.subject} failed: {type(error).__name__}: {error}"
        raise ModelError(message[:1000], parameter="model") from error


def _limit_memory() -> None:
    """Limits the memory of this process, where the system can. Allocations beyond it fail."""
    with contextlib.suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limit = int(min(memory, memory_limit() or memory) * _MEMORY_SHARE)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
