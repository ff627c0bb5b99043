"""The options for networks: which ones, and ``--spec KEY=VALUE``, facts that cannot be found out."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from typing import TYPE_CHECKING

from tilewright.models.catalog import ALIASES
from tilewright.models.spec import CHOICES, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tilewright.settings import Settings

# What may have to be told. The other fields of a spec follow from the file.
_KEYS = (
    "channel_order", "value_range", "scale", "multiple_of", "minimum", "fixed_size", "layout", "halo", "feather",
    "licence",
)  # fmt: skip

_FIELDS = {field.name: str(field.type) for field in dataclasses.fields(ModelSpec) if field.name in _KEYS}


def spec_field(text: str) -> tuple[str, object]:
    """Parses one ``KEY=VALUE``, as argparse types do.

    Returns:
        A field of `ModelSpec` and its value. Pairs are written as ``0,255`` or ``256x256``.

    Raises:
        argparse.ArgumentTypeError: Another key, or a value of the wrong type.
    """
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or name not in _FIELDS:
        similar = difflib.get_close_matches(name, _KEYS, n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"keys: {', '.join(_KEYS)}"
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE; {hint}")
    try:
        return name, _parsed(name, value.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def chosen_networks(arguments: argparse.Namespace, settings: Settings) -> tuple[str | None, str | None]:
    """Returns the network and the one before it, as the command line names them.

    With the factor 1, a network that is given by ``--pre`` alone has none to run before, so it runs
    alone.
    """
    if arguments.factor == 1 and arguments.model is None and settings.model == "auto":
        return arguments.pre, None
    return arguments.model, arguments.pre


def alias_line(model: str | None, settings: Settings) -> str | None:
    """Returns one line that names the network which an alias stands for; None without an alias.

    Args:
        model: The network that the command line names, if any.
        settings: The settings in use.
    """
    given = settings.model if model is None else model
    return f"the network {given!r} is {ALIASES[given]}" if given in ALIASES else None


def spec_options(given: Iterable[tuple[str, object]] | None) -> Mapping[str, object] | None:
    """Returns the given fields by name; None if there are none."""
    return dict(given) if given else None


def _parsed(name: str, value: str) -> object:
    if name in CHOICES:
        spellings = {choice.lower(): choice for choice in CHOICES[name]}
        if value.lower() not in spellings:
            raise ValueError(f"choose from {', '.join(CHOICES[name])}")
        return spellings[value.lower()]
    kind = _FIELDS[name]
    if kind.startswith("tuple[float"):
        return _pair(value, float, "two numbers such as 0,255")
    if kind.startswith("tuple[int"):
        return _pair(value.lower().replace("x", ","), _positive, "a height and a width such as 256x256")
    if kind.startswith("int"):
        return _number(value, int, "a whole number of 0 or more")
    if kind.startswith("float"):
        return _number(value, float, "a number of 0 or more")
    return value


def _pair(value: str, convert: Callable[[str], float], wanted: str) -> tuple[float, float]:
    try:
        first, second = (convert(part) for part in value.split(","))
    except ValueError as error:
        raise ValueError(f"the value must be {wanted}") from error
    return first, second


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value


def _number(value: str, convert: Callable[[str], float], wanted: str) -> float:
    try:
        number = convert(value)
    except ValueError as error:
        raise ValueError(f"the value must be {wanted}") from error
    if not 0 <= number < 1e18:
        raise ValueError(f"the value must be {wanted}")
    return number
