"""The pages of the documentation and their code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from support.paths import DOCS, ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]

FENCE = re.compile(r"^ *```", re.MULTILINE)
BLOCK = re.compile(r"^(?:<!-- not run: ([^\n]+) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        page: Name of the page.
        line: Number of the block's first line, from 1.
        language: What follows the opening fence.
        code: The lines between the fences.
        reason: Why the block is not run, from the comment before it; None if it is run.
    """

    page: str
    line: int
    language: str
    code: str
    reason: str | None

    @property
    def place(self):
        """Page and line, for messages."""
        return f"{self.page}:{self.line}"


def blocks_of(page):
    """Returns the code blocks of a page in their order."""
    text = page.read_text("utf-8")
    found = [
        Block(page.name, text.count("\n", 0, match.start()) + 1, match[2], match[3], match[1])
        for match in BLOCK.finditer(text)
    ]
    assert len(FENCE.findall(text)) == 2 * len(found), f"{page.name}: a block is indented, or its fences do not match"
    return found


def commands_of(block):
    """Returns the command lines of a block, with continued lines joined.

    In ``console`` blocks, commands follow a prompt and everything else is output; ``sh`` blocks are commands only.
    """
    lines = re.sub(r"\\\n", " ", block.code).splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.startswith("#")]
