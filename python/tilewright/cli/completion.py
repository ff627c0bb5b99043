"""Completion in shells: the shell runs the program to ask what may follow what was typed."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Set by the shell function of argcomplete, for such a run only.
_ASKED = "_ARGCOMPLETE"

# Arguments that take the name of a network.
_NETWORKS = ("model", "pre", "network")


def answer_shell(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process, if the shell asks; else does nothing.

    Args:
        parser: Parser of the whole command line.
    """
    if _ASKED not in os.environ:
        return
    import argcomplete

    for action in _actions(parser):
        if action.dest in _NETWORKS:
            action.completer = _networks  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yields the arguments of a parser and of all parsers below it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)


def _networks(prefix: str, **_: Any) -> list[str]:
    """Returns the names of networks and files that begin with a prefix."""
    from argcomplete.completers import FilesCompleter

    from tilewright.models.listing import list_models

    names = [str(model["name"]) for model in list_models()]
    return [name for name in names if name.startswith(prefix)] + list(FilesCompleter()(prefix))
