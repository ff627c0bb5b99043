"""`tilewright run`: requests in the wire format in, the response envelope out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.errors import TilewrightError
from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def run(arguments: argparse.Namespace, _console: Console) -> int:
    """Prints the envelope; 1 when it carries errors, else 0.

    Raises:
        TilewrightError: no tasks could be read, or the environment's settings cannot be followed.
    """
    tasks = _read_tasks(arguments.tasks)
    with Upscaler() as upscaler:
        response = upscaler.run(tasks)
    # ASCII, because stdout may be a pipe of any encoding.
    print(json.dumps(response, indent=2))
    return 1 if "errors" in response else 0


def _read_tasks(name: str) -> dict[str, Any] | list[dict[str, Any]]:
    shown = "stdin" if name == "-" else name
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise TilewrightError(f"{shown} cannot be read: {error.strerror or error}") from error
    try:
        tasks = json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: no JSON, or no text
        raise TilewrightError(f"{shown} is not JSON: {error}") from error
    if isinstance(tasks, dict):
        return tasks
    if isinstance(tasks, list):
        for index, task in enumerate(tasks):
            if not isinstance(task, dict):
                raise TilewrightError(f"{shown}: item {index} must be a task object, not {_kind(task)}")
        return tasks
    raise TilewrightError(f"{shown} must hold a task object or an array of them, not {_kind(tasks)}")


def _kind(value: object) -> str:
    """What JSON calls the value of an array or a scalar."""
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "a string"
    return json.dumps(value)
