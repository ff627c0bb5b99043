"""What a network is told about its distance from the teacher. All take ``[n, 3, h, w]`` in 0..1."""

from __future__ import annotations

import torch
from torch.nn import functional

# Weights against L1 on pixels, which is 1. Chosen so that none outweighs all others.
GRADIENT = 1.0
SPECTRUM = 0.05
CONTRAST = 1.0
PATTERN = 1000.0


def gradients(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences of neighbours, across and down."""
    return pictures[..., 1:] - pictures[..., :-1], pictures[..., 1:, :] - pictures[..., :-1, :]


def gradient_loss(made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 on gradients: edges where the teacher has them."""
    pairs = zip(gradients(made), gradients(target), strict=True)
    return torch.stack([functional.l1_loss(ours, theirs) for ours, theirs in pairs]).sum()


def spectrum_loss(made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 in the Fourier domain, where every frequency weighs alike."""
    return torch.fft.rfft2(made - target, norm="ortho").abs().mean()


def contrast_loss(made: torch.Tensor, target: torch.Tensor, window: int = 8) -> torch.Tensor:
    """L1 on the local strength of gradients: texture as strong as the teacher's even where it cannot be foretold.

    A mean of what may be is soft, and L1 alone asks for it; this asks for its contrast back.
    """

    def strength(pictures: torch.Tensor) -> list[torch.Tensor]:
        return [(functional.avg_pool2d(part**2, window, window // 2) + 1e-6).sqrt() for part in gradients(pictures)]

    pairs = zip(strength(made), strength(target), strict=True)
    return torch.stack([functional.l1_loss(ours, theirs) for ours, theirs in pairs]).sum()


def pattern_loss(made: torch.Tensor, target: torch.Tensor, period: int, window: int = 6) -> torch.Tensor:
    """Mean square of what the errors of the places in squares of `period` pixels, which divides the sides, share.

    A network makes every place of a square by weights of its own, and a faint pattern on many squares alike would be a
    cheap way to more contrast. What is shared is taken over `window` squared squares, and more heavily over all.
    """
    places = functional.pixel_unshuffle(made - target, period)
    shared = functional.avg_pool2d(places, min(window, *places.shape[-2:])).unflatten(1, (3, -1))
    shared = shared - shared.mean(2, keepdim=True)
    return shared.square().mean() + 4 * shared.mean((0, 3, 4)).square().mean()


def distance(made: torch.Tensor, target: torch.Tensor, period: int, contrast: float = CONTRAST) -> torch.Tensor:
    """The sum that is minimised; `period` is the side of the squares that a network makes in one place."""
    return (
        functional.l1_loss(made, target)
        + GRADIENT * gradient_loss(made, target)
        + SPECTRUM * spectrum_loss(made, target)
        + contrast * contrast_loss(made, target)
        + PATTERN * pattern_loss(made, target, period)
    )
