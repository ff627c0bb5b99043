"""Degrades random crops, runs the teacher on them, and stores both as shards.

    python -m training.targets [--data build/training] [--split train|held-out] [--shards 100] [--workers 1]

An interrupted run can be continued: a shard depends only on its number, and existing shards are
skipped.
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
from training.degrade import random_input
from training.gather import DATA, DRAWINGS, list_pictures
from training.prefetch import prefetch
from training.teacher import load_teacher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Side of a crop in pixels.
SIZE = 128
# Crops of a shard.
PER_SHARD = 32

# Pictures that the project uses as examples elsewhere; they are always held out.
_EXAMPLES = ("Dune", "seeding", "chelsea")

# Collages of one package share drawings, so all of them are in the training split.
_COLLAGES = tuple(DRAWINGS)


def is_held_out(photo: Path) -> bool:
    """Returns whether a picture is used for validation instead of training: about one in eight."""
    chosen = zlib.crc32(photo.stem.encode()) % 8 == 0 and not photo.stem.startswith(_COLLAGES)
    return chosen or any(name in photo.stem for name in _EXAMPLES)


def list_split(photos: Path, split: str) -> list[Path]:
    """Returns the pictures of ``"train"`` or ``"held-out"``."""
    return [path for path in list_pictures(photos) if is_held_out(path) == (split == "held-out")]


def degraded_crops(
    number: int, photos: Sequence[Path], *, size: int = SIZE, count: int = PER_SHARD
) -> NDArray[np.uint8]:
    """Returns the inputs of a shard.

    Args:
        number: Number of the shard, which seeds all randomness.
        photos: Pictures to choose from.
        size: Side of a crop in pixels.
        count: Number of crops.

    Returns:
        ``[count, size, size, 3]``.
    """
    # The probability of a picture is proportional to its side: large ones show more, but not per
    # pixel.
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
    with Image.open(photo) as opened:
        return np.asarray(opened.convert("RGB"))


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder that training.gather filled (default: %(default)s)"
    )
    parser.add_argument("--split", choices=["train", "held-out"], default="train")
    parser.add_argument(
        "--shards", type=int, default=100, help=f"number of shards of {PER_SHARD} crops (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that degrade crops (default: %(default)s)")
    arguments = parser.parse_args()
    photos = list_split(arguments.data / "photos", arguments.split)
    if not photos:
        parser.error(f"there are no pictures in {arguments.data / 'photos'}: run training.gather first")
    folder = arguments.data / arguments.split
    missing = [number for number in range(arguments.shards) if not shards.exists(folder, number)]
    if not missing:
        return
    teacher = load_teacher()
    # A process that has used a GPU cannot be forked, so workers are spawned; each uses one thread.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        crops = prefetch(pool, partial(degraded_crops, photos=photos), missing, 2 * arguments.workers)
        for number, inputs in zip(missing, crops, strict=True):
            shards.write(folder, number, inputs, teacher(inputs))
            print(f"{arguments.split}: {number + 1} of {arguments.shards} shards", flush=True)


if __name__ == "__main__":
    main()
