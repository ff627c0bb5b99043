"""Losses between results of the network and of the teacher. All take ``[n, 3, h, w]`` in 0..1."""

from __future__ import annotations

import torch
from torch.nn import functional

# Weights relative to L1 on pixels, chosen so that no loss dominates.
GRADIENT = 1.0
SPECTRUM = 0.05
CONTRAST = 1.0
PATTERN = 1000.0


def gradients(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the differences of horizontal and of vertical neighbours."""
    return pictures[..., 1:] - pictures[..., :-1], pictures[..., 1:, :] - pictures[..., :-1, :]


def gradient_loss(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 on gradients, which puts edges where the teacher has them."""
    pairs = zip(gradients(result), gradients(target), strict=True)
    return torch.stack([functional.l1_loss(own, wanted) for own, wanted in pairs]).sum()


def spectrum_loss(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 in the Fourier domain, where all frequencies have the same weight."""
    return torch.fft.rfft2(result - target, norm="ortho").abs().mean()


def contrast_loss(result: torch.Tensor, target: torch.Tensor, window: int = 8) -> torch.Tensor:
    """L1 on the local RMS of gradients, which asks for texture as strong as the teacher's.

    L1 on pixels alone favours the mean of all plausible textures, which is blurred. This loss
    restores the contrast.

    Args:
        result: Result of the network.
        target: Result of the teacher.
        window: Side of the windows of the local RMS, in pixels.
    """

    def strength(pictures: torch.Tensor) -> list[torch.Tensor]:
        return [(functional.avg_pool2d(part**2, window, window // 2) + 1e-6).sqrt() for part in gradients(pictures)]

    pairs = zip(strength(result), strength(target), strict=True)
    return torch.stack([functional.l1_loss(own, wanted) for own, wanted in pairs]).sum()


def pattern_loss(result: torch.Tensor, target: torch.Tensor, period: int, window: int = 6) -> torch.Tensor:
    """Penalises errors that repeat with the period of the pixel shuffle.

    The network computes every position of a block of `period` × `period` pixels with its own
    weights. Without this loss it learns a faint pattern, the same in all blocks, as a cheap way to
    raise the contrast.

    Args:
        result: Result of the network.
        target: Result of the teacher.
        period: Side of a block in pixels; must divide the sides of the pictures.
        window: Side of the windows over which errors are averaged, in blocks.

    Returns:
        The mean square of the errors of each position averaged over windows, plus 4 times that of
        the average over the whole picture; both without the mean of the block.
    """
    positions = functional.pixel_unshuffle(result - target, period)
    shared = functional.avg_pool2d(positions, min(window, *positions.shape[-2:])).unflatten(1, (3, -1))
    shared = shared - shared.mean(2, keepdim=True)
    return shared.square().mean() + 4 * shared.mean((0, 3, 4)).square().mean()


def distance(result: torch.Tensor, target: torch.Tensor, period: int, contrast: float = CONTRAST) -> torch.Tensor:
    """Returns the weighted sum of all losses.

    Args:
        result: Result of the network.
        target: Result of the teacher.
        period: Side of a block of the pixel shuffle: the factor of the network.
        contrast: Weight of `contrast_loss`.
    """
    return (
        functional.l1_loss(result, target)
        + GRADIENT * gradient_loss(result, target)
        + SPECTRUM * spectrum_loss(result, target)
        + contrast * contrast_loss(result, target)
        + PATTERN * pattern_loss(result, target, period)
    )
