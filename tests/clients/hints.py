"""Compares values with the type hints of a client."""

from __future__ import annotations

from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints


def misfits(fields, declared):
    """Returns the names of fields that a class does not declare, or declares with another type.

    Args:
        fields: Values by name.
        declared: A dataclass or TypedDict.
    """
    hints = get_type_hints(declared)
    return [name for name, value in fields.items() if name not in hints or not _fits(value, hints[name])]


def _fits(value, hint):
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    kinds = (float, int) if hint is float else (origin or hint,)
    return type(value) in kinds  # not isinstance, for which True is an int
