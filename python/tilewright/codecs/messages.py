"""Texts of other libraries' errors, for messages of our own."""

from __future__ import annotations

import re

# Python's default representation of an object, such as <_io.BytesIO object at 0x7f0123456789>.
_OBJECT = re.compile(r"\s*<[^<>]* at 0x[0-9a-fA-F]+>")


def error_text(error: BaseException) -> str:
    """Returns an error's message as one line, without memory addresses.

    Pillow writes the representation of its file object into some messages. An address means nothing
    to the reader, and may help an attacker.
    """
    return " ".join(_OBJECT.sub("", str(error)).split()) or type(error).__name__
