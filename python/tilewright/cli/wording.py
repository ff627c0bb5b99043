"""Error messages in the terms of the command line, which has options where tasks have parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tilewright.errors import EncodeError

if TYPE_CHECKING:
    import argparse

    from tilewright.errors import TilewrightError

_PARAMETER_FORMAT = re.compile(r"\boutputFormat (?=[A-Z])")


def message_of(error: TilewrightError, arguments: argparse.Namespace) -> str:
    """Returns the message of an error with options in place of the parameters of tasks.

    Args:
        error: The error.
        arguments: Parsed command line of ``upscale``.
    """
    message = error.message
    if isinstance(error, EncodeError) and error.parameter == "outputFormat":
        message = _PARAMETER_FORMAT.sub("", message)
        choice = f"choose {' or '.join(error.allowed_values or ())}"
        message = message.replace(choice, f"{choice} with --format or the ending of OUT")
        message = message.replace("or send one frame", "or give one frame")
    return message.replace("a smaller upscaleFactor", f"a smaller {'--size' if arguments.size else '-x'}")
