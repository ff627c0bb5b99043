"""A critic (GAN discriminator) that tells pictures of the network from pictures of the teacher.

A network trained on distances alone predicts the mean of all plausible textures, which is blurred.
The critic learns to recognise this blur, and the network is trained to avoid it. The critic sees
patches of 38 × 38 pixels together with the input of the network. Both sides use the hinge loss, and
the layers of the critic are spectrally normalised (Miyato et al., "Spectral Normalization for
Generative Adversarial Networks", 2018).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class Critic(nn.Module):
    """Rates pictures: high for those of the teacher, low for those of the network."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 6
        for depth in range(3):
            outputs = channels << depth
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
            inputs = outputs
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(inputs, 1, 3, padding=1)))

    def forward(self, pictures: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Rates pictures.

        Args:
            pictures: ``[n, 3, h, w]`` in 0..1.
            inputs: The smaller pictures that they were made from, ``[n, 3, ...]`` in 0..1.

        Returns:
            Ratings of patches, ``[n, 1, h / 8, w / 8]``.
        """
        nearest = functional.interpolate(inputs, size=pictures.shape[-2:], mode="nearest")
        return self.layers(torch.cat([pictures, nearest], dim=1) * 2 - 1)


def critic_loss(of_teacher: torch.Tensor, of_network: torch.Tensor) -> torch.Tensor:
    """Hinge loss of the critic: zero if the teacher is rated at least 1 and the network at most -1."""
    return functional.relu(1 - of_teacher.float()).mean() + functional.relu(1 + of_network.float()).mean()


def network_loss(of_network: torch.Tensor) -> torch.Tensor:
    """Adversarial loss of the network, to be added to its distance."""
    return -of_network.float().mean()
