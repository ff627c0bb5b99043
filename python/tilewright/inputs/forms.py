"""The accepted forms of input pictures, and error messages for other values."""

from __future__ import annotations

import os
import re
import sys
import uuid
from typing import Any

import numpy as np

from tilewright.store import is_uuid4
from tilewright.web.url import is_remote_url, redacted_url

# Advice that is of use only to Python programs begins like this and ends its message.
_IN_PYTHON = "; in Python "

ACCEPTED_FORMS = (
    f"the UUID of a stored image, a data URI or base64 text{_IN_PYTHON}also pathlib.Path, bytes, a file object opened "
    "in binary mode, a NumPy array or a Pillow image"
)

_SEND_CONTENT = "send its content as a data URI or base64, or the UUID of a stored image"

_DATA_URI = re.compile(r"data:image/[\w.+-]+(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE | re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_FILE_NAME = re.compile(
    r"(?:~|\.{0,2}/|[A-Za-z]:[\\/]|\.{1,2}\\).*|.*[^.]\.[A-Za-z][A-Za-z0-9]{1,4}", re.ASCII | re.DOTALL
)

# Length of a prefix that tells base64 from other text. The whole text is checked when it is decoded.
_PREFIX_LENGTH = 1024

# Longest text that a message repeats.
_MAX_TEXT_LENGTH = 60


def form_problem(value: object, *, urls: bool = False) -> str | None:
    """Returns why a value is not an accepted form of picture; None if it is one.

    The content is not checked.

    Args:
        value: Any value.
        urls: Whether http and https URLs are accepted.
    """
    if isinstance(value, str):
        return None if urls and is_remote_url(value) else _text_problem(value)
    if isinstance(value, (os.PathLike, bytes, bytearray, memoryview, np.ndarray)):
        return None
    if hasattr(value, "read") or is_pillow_image(value):
        return None
    if isinstance(value, uuid.UUID):
        return "the UUID of a stored image must be text; convert it with str()"
    return f"a picture cannot be given as {type(value).__name__}; give {ACCEPTED_FORMS}"


def word_problem(text: str) -> str | None:
    """Returns why a short text is no picture, for one that is base64 but no picture.

    Many words are valid base64, and what they decode to would tell their sender nothing.

    Returns:
        None if the text is long or a data URI: it was meant as base64.
    """
    if len(text) > _MAX_TEXT_LENGTH or ":" in text:
        return None
    return f"the text {text!r} was read as base64 and is no picture; give {ACCEPTED_FORMS}"


def for_json(message: str) -> str:
    """Returns a message without the advice for Python programs."""
    return message.partition(_IN_PYTHON)[0]


def is_pillow_image(value: Any) -> bool:
    """Returns whether a value is a Pillow image, without importing Pillow."""
    # If nobody has imported Pillow, there are no Pillow images.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def data_uri_payload(text: str) -> str:
    """Returns the base64 part of a data URI, or the text itself if it is not a data URI."""
    uri = _DATA_URI.match(text[:_PREFIX_LENGTH])
    return text[uri.end() :] if uri else text


def base64_problem(text: str) -> str | None:
    """Returns why a text cannot be base64, by its length and its beginning; None if it can."""
    if re.search(r"\s", text[:_PREFIX_LENGTH]):
        return "it contains spaces or line breaks; remove them"
    if re.search(r"[-_]", text[:_PREFIX_LENGTH]):
        return "it uses the URL-safe alphabet; use the standard one with + and /"
    if not _BASE64.fullmatch(text if len(text) <= _PREFIX_LENGTH else text[:_PREFIX_LENGTH]):
        return "it contains characters outside A-Z a-z 0-9 + / ="
    if len(text) % 4:
        return f"its length {len(text)} is not a multiple of 4, so it is cut short or its padding (=) is missing"
    return None


def _text_problem(text: str) -> str | None:
    if is_uuid4(text) or _DATA_URI.match(text[:_PREFIX_LENGTH]):
        return None
    shown = repr(text if len(text) <= _MAX_TEXT_LENGTH else f"{text[: _MAX_TEXT_LENGTH - 3]}...")
    if (problem := _url_problem(text, shown)) is not None:
        return problem
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return f"{shown} looks like a UUID, but stored images have UUIDs of version 4"
    if text and (problem := base64_problem(text)) is None:
        return None
    if len(text) <= _PREFIX_LENGTH and _FILE_NAME.fullmatch(text):
        return f"{shown} looks like a file name; {_SEND_CONTENT}{_IN_PYTHON}pathlib.Path({shown}) reads the file"
    if text and len(text) > _MAX_TEXT_LENGTH:
        return f"the text {shown} is not base64: {problem}"
    return f"{shown} is not a picture; give {ACCEPTED_FORMS}"


def _url_problem(text: str, shown: str) -> str | None:
    if text[:5].lower() == "data:":
        return f"the data URI {shown} must begin with data:image/...;base64,"
    if re.match(r"(?!https?:|file:)[a-z][a-z0-9+.-]*://", text[:_PREFIX_LENGTH], re.IGNORECASE | re.ASCII):
        return f"{redacted_url(text)!r} is a URL of a scheme that is not fetched; give {ACCEPTED_FORMS}"
    if is_remote_url(text):
        return (
            f"{redacted_url(text)!r} is a web address, and fetching pictures is not enabled here "
            f"(TILEWRIGHT_FETCH_URLS=public enables it); give {ACCEPTED_FORMS}"
        )
    if text[:7].lower() == "file://":
        return f"{shown} is a file URL; {_SEND_CONTENT}{_IN_PYTHON}pathlib.Path reads a file"
    return None
