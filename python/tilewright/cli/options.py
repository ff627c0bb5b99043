"""Parsers whose errors are one line that says what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What users of similar programs type, by the option here. Other spellings are found by similarity.
_OTHER_NAMES = {
    "scale": "factor", "upscale": "factor", "ratio": "factor", "s": "factor",
    "output": "out", "network": "model", "n": "model", "m": "model", "gpu": "device", "force": "overwrite",
    "width": "size", "height": "size", "resize": "size", "recurse": "recursive", "f": "format", "postfix": "suffix",
}  # fmt: skip

# Like argparse, which takes negative numbers and texts with spaces for values.
_OPTION = re.compile(r"(-[A-Za-z]|--[^\s=]+)[^\s=]*(=.*)?", re.DOTALL)


class OneLineParser(argparse.ArgumentParser):
    """Reports a mistake on one line. The usage would be many lines, with the message below them."""

    def error(self, message: str) -> NoReturn:
        """Prints the message and ends with status 2."""
        self.exit(2, f"tilewright: {message}; see `{self.prog} --help`\n")


class ProgramParser(OneLineParser):
    """Parser of the whole command line: its commands are known by name.

    Attributes:
        commands: Names of the commands.
    """

    commands: Iterable[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses, after a check that the first word is a command or an option of the program."""
        words = _words(args)
        first = words[0] if words else None
        if first is not None and first not in self.commands and first not in _names(self):
            self._refuse(first)
        return super().parse_known_args(words, namespace)

    def _refuse(self, word: str) -> None:
        if _OPTION.fullmatch(word):
            self.error(f"{_option(word)} must follow a command, as in `tilewright upscale photo.jpg -o large.png -x 4`")
        similar = difflib.get_close_matches(word, list(self.commands), n=1)
        if similar:
            hint = f"did you mean `tilewright {similar[0]}`?"
        elif re.search(r"[./\\*]", word) or Path(word).exists():
            hint = f"to upscale a picture: `tilewright upscale {word} -x 2`"
        else:
            hint = f"choose from {', '.join(self.commands)}"
        self.error(f"argument COMMAND: invalid choice: {word!r}; {hint}")


class CommandParser(OneLineParser):
    """Parser of one command. An unknown option is reported before a missing one."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses; nothing is left over."""
        words, known = _words(args), _names(self)
        # The options of an action are its own parser's.
        own = words[: next((index for index, word in enumerate(words) if word in _actions(self)), len(words))]
        if not {"-h", "--help"} & set(own):
            for word in own[: own.index("--")] if "--" in own else own:
                if (match := _OPTION.fullmatch(word)) and not known & {_option(word), match[1]}:
                    self.error(f"unknown option {_option(word)}{_hint(_option(word), known)}")
        result, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return result, rest


def _words(args: Sequence[str] | None) -> list[str]:
    return list(sys.argv[1:] if args is None else args)


def _names(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings}


def _actions(parser: argparse.ArgumentParser) -> set[str]:
    """Returns the names of the parsers below this one."""
    below = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name for action in below for name in action.choices}


def _option(word: str) -> str:
    """Returns an option without its value."""
    return word.partition("=")[0]


def _hint(option: str, known: set[str]) -> str:
    """Returns which option was probably meant, as the end of a message."""
    name, names = option.lstrip("-").lower(), {option.lstrip("-"): option for option in known if option[:2] == "--"}
    other = _OTHER_NAMES.get(name)
    similar = [other] if other in names else difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {names[similar[0]]}?" if similar else ""
