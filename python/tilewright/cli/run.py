"""The command `tilewright run`: runs tasks in the wire format and prints the envelope."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.cli.terminal import print_line
from tilewright.errors import TilewrightError, short_repr
from tilewright.inputs.forms import for_json
from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rich.console import Console

    from tilewright.cli.signals import StopSignals


def run(arguments: argparse.Namespace, console: Console, _signals: StopSignals) -> int:
    """Prints the envelope on stdout.

    Returns:
        1 if the envelope has errors, else 0.

    Raises:
        TilewrightError: The tasks cannot be read, or a setting in the environment is invalid.
    """
    tasks = _read_tasks(arguments.tasks)
    if any(map(_is_async, tasks)):
        print_line(console, "tilewright: waiting for the results of async tasks, which nobody could ask for later")
    with Upscaler() as upscaler:
        # Through asyncio, so that a signal cancels the tasks, and never comes while this thread decodes.
        response = asyncio.run(upscaler.arun([_waited_for(task) for task in tasks]))
    for error in response.get("errors", []):
        error["message"] = for_json(error["message"])
    # json.dumps escapes non-ASCII characters: stdout may be a pipe of any encoding.
    print(json.dumps(response, indent=2))
    return 1 if "errors" in response else 0


def _is_async(task: Mapping[str, Any]) -> bool:
    return task.get("deliveryMethod") == "async"


def _waited_for(task: Mapping[str, Any]) -> Any:
    """Returns the task, but not async: its result would be known to this process only."""
    return {**task, "deliveryMethod": "sync"} if _is_async(task) else task


def _read_tasks(name: str) -> list[Any]:
    source = "stdin" if name == "-" else name
    if name == "-" and sys.stdin is None:
        raise TilewrightError("stdin cannot be read: it is closed")
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise TilewrightError(f"{source} cannot be read: {error.strerror or error}") from error
    try:
        tasks = json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: invalid JSON or encoding
        raise TilewrightError(f"{source} is not JSON: {error}") from error
    if isinstance(tasks, dict):
        if "taskType" not in tasks and (key := next((key for key in tasks if isinstance(tasks[key], list)), None)):
            raise TilewrightError(f"{source}: unknown key {short_repr(key)}; a task or an array of tasks is expected")
        return [tasks]
    if isinstance(tasks, list):
        for index, task in enumerate(tasks):
            if not isinstance(task, dict):
                raise TilewrightError(f"{source}: item {index} must be a task object, not {_kind(task)}")
        return tasks
    raise TilewrightError(f"{source} must contain a task object or an array of task objects, not {_kind(tasks)}")


def _kind(value: object) -> str:
    """Returns the JSON name of an array or a string, and the value of any other scalar."""
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "a string"
    return json.dumps(value)
