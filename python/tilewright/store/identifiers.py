"""Identifiers of stored images."""

from __future__ import annotations

import re

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def is_uuid4(text: str) -> bool:
    """Returns whether a text is a UUID of version 4 with hyphens, in any letter case."""
    return _UUID4.fullmatch(text) is not None
