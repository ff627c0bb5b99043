"""Input pictures for tests of the command line, and what it wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_picture(name: str, width: int = 24, height: int = 16, file_format: str | None = None) -> Path:
    """Writes a picture of smooth waves, which survives lossy formats, and returns its path."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(rows / 9 + channel) * np.cos(columns / 11) for channel in range(3)]
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack(waves, axis=2).astype(np.uint8)).save(path, file_format)
    return path


def load(path: str | Path) -> Image.Image:
    """Reads a picture file with Pillow."""
    with Image.open(path) as image:
        image.load()
        return image


def format_and_size(path: str | Path) -> tuple[str | None, tuple[int, int]]:
    """Returns Pillow's name of a picture's format, and its width and height."""
    image = load(path)
    return image.format, image.size


def files_in(folder: str | Path) -> list[str]:
    """Returns all files below a folder, relative to it and sorted."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def run_module(*arguments: str, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Runs ``python -m tilewright`` and captures its output."""
    return subprocess.run([sys.executable, "-m", "tilewright", *arguments], capture_output=True, check=False, **options)
