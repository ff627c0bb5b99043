"""Tests of the losses and of the critic."""
# ruff: noqa: E402

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the dependency group training")

from training.critic import Critic, critic_loss, network_loss
from training.losses import contrast_loss, distance, pattern_loss


def test_distance_is_zero_only_for_the_target_and_contrast_loss_detects_blur():
    target = torch.rand(2, 3, 32, 32)
    assert distance(target, target, 8).item() == pytest.approx(0, abs=1e-6)
    soft = 0.5 + 0.5 * (target - 0.5)
    other = torch.rand(2, 3, 32, 32)
    assert distance(soft, target, 8) > 0.01
    # Another texture of the same strength has the right contrast, the same texture at half the
    # strength has not.
    assert contrast_loss(other, target) < 0.3 * contrast_loss(soft, target)


def test_pattern_loss_of_a_repeated_pattern_exceeds_that_of_equal_noise():
    target = torch.rand(2, 3, 64, 64)
    dots = torch.zeros(8, 8)
    dots[3, 4] = 5 / 255
    noise = dots.flatten()[torch.rand(64, 64).mul(64).long()]
    assert pattern_loss(target + dots.tile(8, 8), target, 8) > 5 * pattern_loss(target + noise, target, 8)


def test_critic_learns_to_prefer_sharp_pictures():
    torch.manual_seed(0)
    sharp, inputs = torch.rand(4, 3, 32, 32), torch.full((4, 3, 8, 8), 0.5)
    soft = 0.5 + 0.3 * (sharp - 0.5)
    critic = Critic(8)
    optimiser = torch.optim.Adam(critic.parameters(), 2e-3)
    for _ in range(60):
        loss = critic_loss(critic(sharp, inputs), critic(soft, inputs))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 1
    assert network_loss(critic(sharp, inputs)) < network_loss(critic(soft, inputs)) - 0.5
    shares = torch.linspace(0, 1, 5)
    losses = [network_loss(critic(soft + share * (sharp - soft), inputs)).item() for share in shares]
    assert losses == sorted(losses, reverse=True)
