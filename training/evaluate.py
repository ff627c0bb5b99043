"""Compares networks with the teacher on pictures that none was trained on.

    python -m training.evaluate PICTURE... --network FILE.onnx [--network NAME] [--scale 4] [--degrade]
        [--sheet FILE.png] [--json FILE]

From the middle of each picture a square crop is taken; with --degrade it is damaged first, as in training. For every
network the table gives PSNR to the teacher in dB, the mean gradient as a share of the teacher's, and NIQE, which the
teacher has too. The sheet shows the crops side by side: nearest neighbour, each network, teacher.
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
from training.batches import shrunk
from training.degrade import random_input
from training.naturalness import SMALLEST, niqe
from training.teacher import NAME as TEACHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

BICUBIC = "bicubic"


def psnr(made: Picture, wanted: Picture) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = np.mean((made.astype(np.float64) - wanted) ** 2)
    return 10 * math.log10(255**2 / max(error, 1e-10))


def mean_gradient(picture: Picture) -> float:
    """Mean absolute difference of neighbours, in steps of 1/255."""
    values = picture.astype(np.float64)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean()) / 2


def crop_of(path: Path, size: int, *, degrade: bool) -> Picture:
    """The picture's middle, at most `size` squared; or a damaged crop of it."""
    with Image.open(path) as opened:
        picture = np.asarray(opened.convert("RGB"))
    if degrade:
        side = min(size, *picture.shape[:2])
        return random_input(picture, side, np.random.default_rng(zlib.crc32(path.name.encode())))
    top, left = (max(0, (length - size) // 2) for length in picture.shape[:2])
    return picture[top : top + size, left : left + size]


def enlarge(network: str, crop: Picture, scale: int, upscalers: dict[str, Upscaler]) -> Picture:
    """What a network makes of a crop; ``"bicubic"`` is no network."""
    if network == BICUBIC:
        size = [length * scale for length in crop.shape[1::-1]]
        return np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC))
    if network not in upscalers:
        upscalers[network] = Upscaler(model=network, store="memory://evaluate")
    return np.asarray(upscalers[network].upscale_array(np.ascontiguousarray(crop), scale))


def compare(made: Mapping[str, Picture], wanted: Picture) -> dict[str, dict[str, float]]:
    """PSNR, share of the teacher's gradient and NIQE, by network; NIQE of the teacher, and where it can be taken."""
    steepness = max(mean_gradient(wanted), 1e-10)
    figures: dict[str, dict[str, float]] = {
        name: {"psnr": psnr(picture, wanted), "gradient": mean_gradient(picture) / steepness}
        for name, picture in made.items()
    }
    if min(wanted.shape[:2]) >= SMALLEST:
        for name, picture in {**made, TEACHER: wanted}.items():
            figures.setdefault(name, {})["niqe"] = niqe(picture)
    return figures


def means_of(found: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Of what `compare` found, over the pictures that have the figure."""
    gathered: dict[str, dict[str, list[float]]] = {}
    for one in found:
        for name, figures in one.items():
            for kind, value in figures.items():
                gathered.setdefault(name, {}).setdefault(kind, []).append(value)
    return {
        name: {kind: float(np.mean(values)) for kind, values in figures.items()} for name, figures in gathered.items()
    }


def row_of(crop: Picture, results: Sequence[Picture]) -> Picture:
    """The input, its pixels repeated, and the results side by side."""
    scale = results[0].shape[0] // crop.shape[0]
    return np.concatenate([crop.repeat(scale, axis=0).repeat(scale, axis=1), *results], axis=1)


def sheet_of(rows: Sequence[Picture]) -> Picture:
    """Rows of different size one below the other, on white."""
    sheet = np.full((sum(len(row) for row in rows), max(row.shape[1] for row in rows), 3), 255, np.uint8)
    top = 0
    for row in rows:
        sheet[top : top + len(row), : row.shape[1]] = row
        top += len(row)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--network", action="append", default=[], help="an ONNX file or a catalog name; repeatable")
    parser.add_argument("--scale", type=int, choices=[2, 3, 4], default=4)
    parser.add_argument("--size", type=int, default=192, help="side of the crops (default: %(default)s)")
    parser.add_argument("--degrade", action="store_true", help="damage the crops, as in training")
    parser.add_argument("--sheet", type=Path, help="where to put the pictures side by side")
    parser.add_argument("--json", type=Path, help="where to put the means")
    arguments = parser.parse_args()

    networks = [BICUBIC, *arguments.network]
    upscalers: dict[str, Upscaler] = {}
    found, rows = [], []
    print("picture | " + " | ".join([*(Path(name).stem for name in networks), TEACHER]))
    for path in arguments.pictures:
        crop = crop_of(path, arguments.size, degrade=arguments.degrade)
        wanted = shrunk(enlarge(TEACHER, crop, 4, upscalers), arguments.scale)
        made = {Path(name).stem: enlarge(name, crop, arguments.scale, upscalers) for name in networks}
        found.append(compare(made, wanted))
        rows.append(row_of(crop, [*made.values(), wanted]))
        _print_row(path.name, found[-1])
    means = means_of(found)
    _print_row("mean", means)
    if arguments.sheet:
        Image.fromarray(sheet_of(rows)).save(arguments.sheet, quality=92)
    if arguments.json:
        arguments.json.write_text(json.dumps(means, indent=2) + "\n")


def _print_row(title: str, figures: Mapping[str, Mapping[str, float]]) -> None:
    forms = {"psnr": "{:.2f} dB", "gradient": "{:.2f}", "niqe": "{:.1f}"}
    cells = [", ".join(forms[kind].format(value) for kind, value in one.items()) for one in figures.values()]
    print(f"{title} | " + " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
