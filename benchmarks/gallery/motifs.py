"""The seven inputs of the gallery, all of 160 × 160 pixels.

Four are photographs that other packages contain, all free to use: docs/gallery.md states their
licences. Three are drawn by `drawings.py`.
"""

from __future__ import annotations

import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.gallery import drawings

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "gallery"


@dataclass(frozen=True)
class Motif:
    """One input, and the left upper corners of what the sheets show of it at each factor."""

    name: str
    corners: dict[int, tuple[int, int]]

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.png"

    def sheet(self, factor: int) -> Path:
        return FOLDER / f"{self.name}-x{factor}.webp"


MOTIFS = (
    Motif("face", {4: (60, 36), 2: (36, 8)}),
    Motif("fur", {4: (48, 50), 2: (20, 24)}),
    Motif("foliage", {4: (6, 44), 2: (0, 40)}),
    Motif("old-photograph", {4: (40, 64), 2: (24, 40)}),
    Motif("screenshot", {4: (6, 72), 2: (4, 26)}),
    Motif("line-art", {4: (96, 90), 2: (46, 40)}),
    Motif("manga", {4: (102, 14), 2: (46, 4)}),
)


# Where the photographs are: the package, and the path inside.
PHOTOGRAPHS = {
    "face": ("skimage", "data/astronaut.png"),
    "fur": ("skimage", "data/chelsea.png"),
    "foliage": ("sklearn", "datasets/images/china.jpg"),
    "old-photograph": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}


def photograph(name: str) -> Image.Image:
    """Returns one of `PHOTOGRAPHS`."""
    module, inside = PHOTOGRAPHS[name]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{module} is not installed; run: pip install --group gallery")
    return Image.open(Path(spec.origin).parent / inside).convert("RGB")


def write_inputs() -> None:
    """Writes all inputs."""
    inputs = {
        "face": _part("face", (256, 256), 32, 0),
        "fur": _part("fur", (301, 200), 60, 10),
        "foliage": _part("foliage", (480, 320), 320, 160),
        "old-photograph": _aged(_part("old-photograph", (256, 300), 48, 10)),
        "screenshot": drawings.screenshot(),
        "line-art": drawings.line_art(),
        "manga": _as_jpeg(drawings.manga(), quality=75),
    }
    FOLDER.mkdir(exist_ok=True)
    for motif in MOTIFS:
        inputs[motif.name].save(motif.path, optimize=True)


def _part(name: str, size: tuple[int, int], left: int, top: int) -> Image.Image:
    """Returns a part of a photograph that is reduced to `size`."""
    reduced = photograph(name).resize(size, Image.Resampling.LANCZOS)
    return reduced.crop((left, top, left + drawings.SIDE, top + drawings.SIDE))


def _aged(picture: Image.Image) -> Image.Image:
    """Returns a picture that is blurred, faded, turned brown, and given grain and JPEG artefacts."""
    grey = picture.convert("L").filter(ImageFilter.GaussianBlur(0.7))
    values = 40 + np.asarray(grey, np.float64) * 0.72
    values += np.random.default_rng(1).normal(0, 7, values.shape)
    brown = np.stack([values * 1.04 + 4, values * 0.97, values * 0.82], axis=-1)
    return _as_jpeg(Image.fromarray(brown.clip(0, 255).astype(np.uint8)), quality=60)


def _as_jpeg(picture: Image.Image, *, quality: int) -> Image.Image:
    """Returns a picture with the damage of a JPEG file."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")
