"""Compares networks with the teacher on pictures that were not used in training.

    python -m training.evaluate PICTURE... --network FILE.onnx [--network NAME] [--scale 4] [--degrade]
        [--sheet FILE.png] [--json FILE]

A square crop is taken from the middle of each picture; with --degrade it is a crop degraded as in
training. For every network the table shows the PSNR to the teacher in dB, the mean gradient as a
share of the teacher's, and NIQE; NIQE of the teacher is shown too. The sheet shows the crops side
by side: nearest neighbour, each network, teacher.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tilewright import Upscaler
from training.batches import rescale_target
from training.degrade import random_input
from training.niqe import SMALLEST, niqe
from training.teacher import NAME as TEACHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    # Figures by kind: "psnr", "gradient", "niqe".
    Figures = Mapping[str, float]

BICUBIC = "bicubic"


def psnr(result: Picture, wanted: Picture) -> float:
    """Returns the peak signal-to-noise ratio in dB."""
    error = np.mean((result.astype(np.float64) - wanted) ** 2)
    return 10 * math.log10(255**2 / max(error, 1e-10))


def mean_gradient(picture: Picture) -> float:
    """Returns the mean absolute difference of neighbouring samples, in steps of 1/255."""
    values = picture.astype(np.float64)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean()) / 2


def load_crop(path: Path, size: int, *, degrade: bool) -> Picture:
    """Reads a crop of a picture.

    Args:
        path: The picture.
        size: Largest side of the crop in pixels.
        degrade: Take a degraded crop instead of the middle. It depends only on the file name.
    """
    with Image.open(path) as opened:
        picture = np.asarray(opened.convert("RGB"))
    if degrade:
        side = min(size, *picture.shape[:2])
        return random_input(picture, side, np.random.default_rng(zlib.crc32(path.name.encode())))
    top, left = (max(0, (length - size) // 2) for length in picture.shape[:2])
    return picture[top : top + size, left : left + size]


def upscale(network: str, crop: Picture, scale: int, upscalers: dict[str, Upscaler]) -> Picture:
    """Upscales a crop.

    Args:
        network: ``"bicubic"``, a name of the catalog or an ONNX file.
        crop: ``[h, w, 3]``.
        scale: The factor.
        upscalers: Upscalers by network; a missing one is added.
    """
    if network == BICUBIC:
        size = [length * scale for length in crop.shape[1::-1]]
        return np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC))
    if network not in upscalers:
        upscalers[network] = Upscaler(model=network, store="memory://evaluate")
    return np.asarray(upscalers[network].upscale_array(np.ascontiguousarray(crop), scale))


def compare(results: Mapping[str, Picture], wanted: Picture) -> dict[str, dict[str, float]]:
    """Compares results with that of the teacher.

    Args:
        results: Results by network.
        wanted: The result of the teacher.

    Returns:
        Figures by network: PSNR, the share of the teacher's gradient, and NIQE if the picture is
        large enough. Of the teacher only NIQE.
    """
    gradient = max(mean_gradient(wanted), 1e-10)
    figures: dict[str, dict[str, float]] = {
        name: {"psnr": psnr(picture, wanted), "gradient": mean_gradient(picture) / gradient}
        for name, picture in results.items()
    }
    if min(wanted.shape[:2]) >= SMALLEST:
        for name, picture in {**results, TEACHER: wanted}.items():
            figures.setdefault(name, {})["niqe"] = niqe(picture)
    return figures


def mean_figures(found: Sequence[Mapping[str, Figures]]) -> dict[str, dict[str, float]]:
    """Returns the means of the figures of `compare`, each over the pictures that have it."""
    collected: dict[str, dict[str, list[float]]] = {}
    for by_network in found:
        for name, figures in by_network.items():
            for kind, value in figures.items():
                collected.setdefault(name, {}).setdefault(kind, []).append(value)
    return {
        name: {kind: float(np.mean(values)) for kind, values in figures.items()} for name, figures in collected.items()
    }


def side_by_side(crop: Picture, results: Sequence[Picture]) -> Picture:
    """Joins the input, enlarged by nearest neighbour, and the results to one row."""
    scale = results[0].shape[0] // crop.shape[0]
    return np.concatenate([crop.repeat(scale, axis=0).repeat(scale, axis=1), *results], axis=1)


def stack_rows(rows: Sequence[Picture]) -> Picture:
    """Joins rows of different sizes vertically, on white."""
    sheet = np.full((sum(len(row) for row in rows), max(row.shape[1] for row in rows), 3), 255, np.uint8)
    top = 0
    for row in rows:
        sheet[top : top + len(row), : row.shape[1]] = row
        top += len(row)
    return sheet


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--network", action="append", default=[], help="ONNX file or catalog name; may be repeated")
    parser.add_argument("--scale", type=int, choices=[2, 3, 4], default=4)
    parser.add_argument("--size", type=int, default=192, help="side of the crops (default: %(default)s)")
    parser.add_argument("--degrade", action="store_true", help="degrade the crops as in training")
    parser.add_argument("--sheet", type=Path, help="output file of the pictures side by side")
    parser.add_argument("--json", type=Path, help="output file of the means")
    arguments = parser.parse_args()

    networks = [BICUBIC, *arguments.network]
    upscalers: dict[str, Upscaler] = {}
    found, rows = [], []
    print("picture | " + " | ".join([*(Path(name).stem for name in networks), TEACHER]))
    for path in arguments.pictures:
        crop = load_crop(path, arguments.size, degrade=arguments.degrade)
        wanted = rescale_target(upscale(TEACHER, crop, 4, upscalers), arguments.scale)
        results = {Path(name).stem: upscale(name, crop, arguments.scale, upscalers) for name in networks}
        found.append(compare(results, wanted))
        rows.append(side_by_side(crop, [*results.values(), wanted]))
        _print_row(path.name, found[-1])
    means = mean_figures(found)
    _print_row("mean", means)
    if arguments.sheet:
        Image.fromarray(stack_rows(rows)).save(arguments.sheet, quality=92)
    if arguments.json:
        arguments.json.write_text(json.dumps(means, indent=2) + "\n")


def _print_row(title: str, by_network: Mapping[str, Figures]) -> None:
    formats = {"psnr": "{:.2f} dB", "gradient": "{:.2f}", "niqe": "{:.1f}"}
    cells = [
        ", ".join(formats[kind].format(value) for kind, value in figures.items()) for figures in by_network.values()
    ]
    print(f"{title} | " + " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
