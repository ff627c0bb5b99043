"""Sheets that show one motif by all networks of a factor, pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.gallery.drawings import font
from benchmarks.gallery.motifs import MOTIFS
from tilewright import Upscaler
from tilewright.models.catalog import CATALOG

if TYPE_CHECKING:
    from benchmarks.gallery.motifs import Motif

FACTORS = (4, 2)
_SHOWN, _GAP, _LABEL, _COLUMNS = 224, 8, 20, 3


def networks(factor: int) -> list[str]:
    """Returns the networks that have weights of their own for a factor."""
    return [name for name, entry in CATALOG.items() if factor in {network.scale for network in entry.networks}]


def write_sheets() -> None:
    """Runs every network over every motif, and writes a sheet for each motif and factor."""
    pictures = {motif.name: Image.open(motif.path).convert("RGB") for motif in MOTIFS}
    for factor in FACTORS:
        results: dict[str, dict[str, Image.Image]] = {
            name: {"bicubic": picture.resize((picture.width * factor, picture.height * factor))}
            for name, picture in pictures.items()
        }
        for network in networks(factor):
            # In float32 on every machine, so that the sheets differ as little as possible.
            with Upscaler(model=network, device="cpu", precision="fp32", store="memory://") as upscaler:
                for name, picture in pictures.items():
                    results[name][network] = Image.fromarray(upscaler.upscale_array(np.asarray(picture), factor))
        for motif in MOTIFS:
            _sheet(results[motif.name], motif, factor).save(motif.sheet(factor), quality=90, method=6)


def _sheet(results: dict[str, Image.Image], motif: Motif, factor: int) -> Image.Image:
    rows = -(-len(results) // _COLUMNS)
    width, height = _SHOWN + _GAP, _SHOWN + _LABEL + _GAP
    sheet = Image.new("RGB", (_COLUMNS * width - _GAP, rows * height - _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    left, top = (corner * factor for corner in motif.corners[factor])
    for number, (name, result) in enumerate(results.items()):
        x, y = number % _COLUMNS * width, number // _COLUMNS * height
        draw.text((x, y + 2), name, font=font("DejaVuSans", 13), fill="black")
        sheet.paste(result.crop((left, top, left + _SHOWN, top + _SHOWN)), (x, y + _LABEL))
    return sheet
