"""The pages of the documentation, and the code in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code_blocks(page: Path, language: str) -> list[str]:
    """Returns the code blocks of a page in a language, such as ``"python"`` or ``"console"``."""
    return [code for kind, code in _BLOCK.findall(page.read_text("utf-8")) if kind == language]
