"""An Upscaler whose network needs no weights and takes no time: what is tried or counted is all the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession

if TYPE_CHECKING:
    from tilewright import Upscaler


def without_weights(upscaler: Upscaler) -> Upscaler:
    """The same, with networks that repeat pixels."""
    sessions = {factor: FakeSession(ModelSpec(name="repeats", scale=factor)) for factor in (2, 3, 4)}
    upscaler._networks.session = lambda _, factor, *__: sessions[factor]
    return upscaler
