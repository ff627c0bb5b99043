"""Makes before_after.webp: part of what the first command of README.md makes, beside its input.

python docs/images/before_after.py
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from tilewright.cli import main

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAIR = HERE / "before_after.webp"
LEFT, TOP, WIDTH, HEIGHT = 118, 84, 100, 75
GAP = 8


def command() -> list[str]:
    """Returns the arguments of the first `tilewright` command of README.md."""
    found = re.search(r"\btilewright (upscale .*)", (ROOT / "README.md").read_text("utf-8"))
    assert found is not None
    return shlex.split(found[1])


def run(arguments: list[str], folder: Path) -> Image.Image:
    """Runs a `tilewright` command on a copy of its input.

    Args:
        arguments: Such as those of `command`.
        folder: Folder to run it in; its input and its result are kept there.
    """
    source, result = arguments[1], arguments[arguments.index("-o") + 1]
    copy = folder / source
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / source, copy)
    with contextlib.chdir(folder):
        assert main(arguments) == 0
    return Image.open(folder / result).convert("RGB")


def pair(after: Image.Image) -> Image.Image:
    """Returns the same part of the input, enlarged bicubically, and of the result, side by side."""
    picture = Image.open(HERE / "chelsea.png").convert("RGB")
    factor = after.width // picture.width
    before = picture.resize(after.size, Image.Resampling.BICUBIC)
    box = tuple(value * factor for value in (LEFT, TOP, LEFT + WIDTH, TOP + HEIGHT))
    joined = Image.new("RGB", (2 * WIDTH * factor + GAP, HEIGHT * factor), "white")
    joined.paste(before.crop(box), (0, 0))
    joined.paste(after.crop(box), (WIDTH * factor + GAP, 0))
    return joined


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        pair(run(command(), Path(temporary))).save(PAIR, lossless=True, quality=100, method=6)
