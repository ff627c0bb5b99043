"""Random patches of the stored pairs, rotated and mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.shards import Shards

TEACHER_SCALE = 4


def random_batch(
    shards: Shards, rng: np.random.Generator, *, count: int, side: int, scale: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draws patches of random pairs.

    Args:
        shards: The pairs.
        rng: Source of randomness.
        count: Number of patches.
        side: Side of an input patch in pixels.
        scale: Factor of the targets: 2, 3 or 4.

    Returns:
        Inputs ``[count, side, side, 3]`` and targets ``[count, side * scale, side * scale, 3]``.
    """
    patches = [random_patch(*shards[int(rng.integers(len(shards)))], rng, side=side, scale=scale) for _ in range(count)]
    inputs, targets = (np.stack(arrays) for arrays in zip(*patches, strict=True))
    return inputs, targets


def random_patch(
    picture: NDArray[np.uint8], target: NDArray[np.uint8], rng: np.random.Generator, *, side: int, scale: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cuts the same random square out of an input and its target, in one of eight random orientations.

    Args:
        picture: The input, ``[h, w, 3]``.
        target: The result of the teacher, ``[4h, 4w, 3]``.
        rng: Source of randomness.
        side: Side of the square in input pixels.
        scale: Factor of the target patch: 2, 3 or 4.

    Returns:
        Patches ``[side, side, 3]`` and ``[side * scale, side * scale, 3]``.
    """
    target = rescale_target(target, scale)
    top, left = (int(rng.integers(0, whole - side + 1)) for whole in picture.shape[:2])
    picture = picture[top : top + side, left : left + side]
    target = target[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
    rotations, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    return _orient(picture, rotations, mirrored), _orient(target, rotations, mirrored)


def rescale_target(target: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Downscales a result of the teacher from factor 4 to `scale` by Lanczos-3.

    The networks of the catalog use the same filter for factors that they do not have.
    """
    if scale == TEACHER_SCALE:
        return target
    size = [length * scale // TEACHER_SCALE for length in target.shape[1::-1]]
    return np.asarray(Image.fromarray(np.asarray(target)).resize(size, Image.Resampling.LANCZOS))


def as_tensor(pictures: NDArray[np.uint8], device: torch.device | None = None) -> torch.Tensor:
    """Converts ``[n, h, w, 3]`` in 0..255 to ``[n, 3, h, w]`` in 0..1, channels-last in memory."""
    return torch.tensor(pictures, device=device).permute(0, 3, 1, 2).float().div(255)


def _orient(picture: NDArray[np.uint8], rotations: int, mirrored: bool) -> NDArray[np.uint8]:
    rotated = np.rot90(picture, rotations)
    return rotated[:, ::-1] if mirrored else rotated
