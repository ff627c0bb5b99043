"""Computes what the teacher makes of degraded crops, once, to disk.

    python -m training.targets [--data build/training] [--split train|held-out] [--shards 100] [--workers 1]

It goes on where it was interrupted: a shard is made from its number alone, and those that are there are left.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from training import shards
from training.ahead import ahead
from training.degrade import random_input
from training.gather import DATA, DRAWINGS, pictures_in
from training.teacher import teacher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIZE = 128
PER_SHARD = 32

# Never trained on: one picture in eight, and those that stand for the project elsewhere.
_KEPT_BACK = ("Dune", "seeding", "chelsea")

# Pages that share their drawings: all are learnt from.
_SHARING = tuple(DRAWINGS)


def held_out(photo: Path) -> bool:
    """Whether a picture is kept back to see how good a network is."""
    chosen = zlib.crc32(photo.stem.encode()) % 8 == 0 and not photo.stem.startswith(_SHARING)
    return chosen or any(name in photo.stem for name in _KEPT_BACK)


def split_of(photos: Path, split: str) -> list[Path]:
    """The pictures of ``"train"`` or ``"held-out"``."""
    return [path for path in pictures_in(photos) if held_out(path) == (split == "held-out")]


def damaged_crops(
    number: int, photos: Sequence[Path], *, size: int = SIZE, count: int = PER_SHARD
) -> NDArray[np.uint8]:
    """The inputs of a shard, ``[count, size, size, 3]``: crops of random photographs."""
    # A large picture has more to show than a small one, though not in proportion to its pixels.
    sides = np.array([_mean_side(photo) for photo in photos])
    inputs = []
    for row in range(count):
        rng = np.random.default_rng([number, row])
        photo = photos[rng.choice(len(photos), p=sides / sides.sum())]
        inputs.append(random_input(_pixels(photo), size, rng))
    return np.stack(inputs)


@lru_cache
def _mean_side(photo: Path) -> float:
    with Image.open(photo) as opened:
        return math.sqrt(math.prod(opened.size))


@lru_cache(maxsize=100)
def _pixels(photo: Path) -> NDArray[np.uint8]:
    """``[height, width, 3]``."""
    with Image.open(photo) as opened:
        return np.asarray(opened.convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help=f"where training.gather put it (default: {DATA})")
    parser.add_argument("--split", choices=["train", "held-out"], default="train")
    parser.add_argument("--shards", type=int, default=100, help=f"how many, of {PER_SHARD} crops (default: 100)")
    parser.add_argument("--workers", type=int, default=1, help="processes that damage crops (default: %(default)s)")
    arguments = parser.parse_args()
    photos = split_of(arguments.data / "photos", arguments.split)
    if not photos:
        parser.error(f"there are no pictures in {arguments.data / 'photos'}: run training.gather first")
    folder = arguments.data / arguments.split
    missing = [number for number in range(arguments.shards) if not shards.exists(folder, number)]
    if not missing:
        return
    shown = teacher()
    # Spawned, since a process that has used a GPU cannot be forked; of one thread each, since they are many.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        damaged = ahead(pool, partial(damaged_crops, photos=photos), missing, 2 * arguments.workers)
        for number, inputs in zip(missing, damaged, strict=True):
            shards.write(folder, number, inputs, shown(inputs))
            print(f"{arguments.split}: {number + 1} of {arguments.shards} shards", flush=True)


if __name__ == "__main__":
    main()
