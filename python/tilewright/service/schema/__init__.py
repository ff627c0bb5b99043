"""The wire format for machines: JSON Schema (draft 2020-12) of request and response."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal, get_args

Name = Literal["task", "envelope"]


def load(name: Name) -> dict[str, Any]:
    """A schema.

    Args:
        name: ``"task"`` for what `tilewright.run` takes as JSON, one task or an array of them;
            ``"envelope"`` for what it returns.

    Returns:
        The schema, made anew by every call.

    Raises:
        ValueError: there is no schema of that name.
    """
    if name not in get_args(Name):
        raise ValueError(f"there is no schema {name!r}; choose from: {', '.join(get_args(Name))}")
    schema: dict[str, Any] = json.loads((files(__name__) / f"{name}.json").read_text(encoding="utf-8"))
    return schema
