"""The wire format for machines: JSON Schema (draft 2020-12) of request and response."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal, get_args

Name = Literal["task", "envelope"]


def load(name: Name) -> dict[str, Any]:
    """Returns a JSON Schema.

    Args:
        name: ``"task"`` for the argument of `tilewright.run`, one task or an array of tasks;
            ``"envelope"`` for its result.

    Returns:
        The schema. Every call returns a new dict.

    Raises:
        ValueError: There is no schema of that name.
    """
    if name not in get_args(Name):
        raise ValueError(f"there is no schema {name!r}; choose from: {', '.join(get_args(Name))}")
    schema: dict[str, Any] = json.loads((files(__name__) / f"{name}.json").read_text(encoding="utf-8"))
    return schema
