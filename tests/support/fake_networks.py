"""Fake networks for an Upscaler: they need no weights and take no time, so that a test covers the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession

if TYPE_CHECKING:
    from tilewright import Upscaler


def with_fake_networks(upscaler: Upscaler, *, halo: int = 0) -> Upscaler:
    """Replaces the networks of an Upscaler, whatever their names, by fake ones that repeat pixels.

    Args:
        upscaler: Changed in place.
        halo: Halo of the fake networks in input pixels, so that tiles overlap.

    Returns:
        The same Upscaler.
    """
    sessions = {factor: FakeSession(ModelSpec(name="fake", scale=factor, halo=halo)) for factor in (2, 3, 4)}
    upscaler._networks.session = lambda _name, factor, _precision: sessions[factor]
    return upscaler
