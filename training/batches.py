"""Random patches of the stored pairs, turned and mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.shards import Shards

TEACHER_SCALE = 4


def batch(
    shards: Shards, rng: np.random.Generator, *, count: int, side: int, scale: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Inputs ``[count, side, side, 3]`` and targets ``[count, side * scale, side * scale, 3]``."""
    patches = [patch(*shards[int(rng.integers(len(shards)))], rng, side=side, scale=scale) for _ in range(count)]
    inputs, targets = (np.stack(arrays) for arrays in zip(*patches, strict=True))
    return inputs, targets


def patch(
    picture: NDArray[np.uint8], target: NDArray[np.uint8], rng: np.random.Generator, *, side: int, scale: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The same random square of both, in one of eight positions."""
    target = shrunk(target, scale)
    top, left = (int(rng.integers(0, whole - side + 1)) for whole in picture.shape[:2])
    picture = picture[top : top + side, left : left + side]
    target = target[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    return _placed(picture, turns, mirrored), _placed(target, turns, mirrored)


def shrunk(target: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """The teacher's result at another factor, by the filter that the catalog's networks are rescaled with."""
    if scale == TEACHER_SCALE:
        return target
    size = [length * scale // TEACHER_SCALE for length in target.shape[1::-1]]
    return np.asarray(Image.fromarray(np.asarray(target)).resize(size, Image.Resampling.LANCZOS))


def as_tensor(pictures: NDArray[np.uint8], device: torch.device | None = None) -> torch.Tensor:
    """``[n, h, w, 3]`` to ``[n, 3, h, w]`` in 0..1 on a device, channels last in memory."""
    return torch.tensor(pictures, device=device).permute(0, 3, 1, 2).float().div(255)


def _placed(picture: NDArray[np.uint8], turns: int, mirrored: bool) -> NDArray[np.uint8]:
    turned = np.rot90(picture, turns)
    return turned[:, ::-1] if mirrored else turned
