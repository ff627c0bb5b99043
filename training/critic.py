"""What tells a network's pictures from the teacher's, and so what the network's still lack.

A network that is judged by distances paints the mean of what may be, which is soft. A critic that has seen both learns
what gives the mean away: missing texture. It looks at squares of 38 pixels, beside the input they were made
of; its losses are the hinge's, its layers are kept from becoming steep (Miyato et al., "Spectral Normalization for
Generative Adversarial Networks", 2018).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class Critic(nn.Module):
    """``[n, 3, h, w]`` and the input they were made of to ``[n, 1, h / 8, w / 8]``: how much like the teacher's."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        planes = 6
        for depth in range(3):
            made = channels << depth
            layers += [spectral_norm(nn.Conv2d(planes, made, 4, 2, 1)), nn.LeakyReLU(0.2)]
            planes = made
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(planes, 1, 3, padding=1)))

    def forward(self, pictures: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        enlarged = functional.interpolate(inputs, size=pictures.shape[-2:], mode="nearest")
        return self.layers(torch.cat([pictures, enlarged], dim=1) * 2 - 1)


def critic_loss(of_teacher: torch.Tensor, of_network: torch.Tensor) -> torch.Tensor:
    """What the critic minimises: at least 1 for the teacher's pictures, at most -1 for the network's."""
    return functional.relu(1 - of_teacher.float()).mean() + functional.relu(1 + of_network.float()).mean()


def network_loss(of_network: torch.Tensor) -> torch.Tensor:
    """What the network minimises, beside its distance."""
    return -of_network.float().mean()
