"""Tiny stand-ins for the training tests: a teacher, a plan and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# Side of the inputs in the shards of the fixture `data`, in pixels.
SIDE = 24


def repeat_pixels(picture: np.ndarray) -> np.ndarray:
    """A cheap teacher: nearest-neighbour interpolation by 4, which is sharper than any network."""
    return picture.repeat(4, axis=0).repeat(4, axis=1)


def tiny_plan(**changes: Any) -> Any:
    """Returns a `training.train.Plan` with few steps on small patches, with some fields changed."""
    from training.train import Plan

    return Plan(**{"scale": 4, "steps": 12, "count": 2, "side": 16, "warm_up": 1, **changes})
