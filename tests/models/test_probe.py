"""The synthetic test picture."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.models import probe
from tilewright.models.probe import natural_patch


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (64, 64), (65, 40), (256, 320)])
def test_patch_is_a_deterministic_picture_in_0_to_1(size: tuple[int, int]) -> None:
    patch = natural_patch(*size)
    assert patch.shape == (*size, 3)
    assert patch.dtype == np.float32
    assert patch.min() >= 0
    assert patch.max() <= 1
    np.testing.assert_array_equal(patch, natural_patch(*size))


def test_patch_looks_natural() -> None:
    patch = natural_patch(128, 128).mean(axis=2).astype(np.float64)
    assert patch.std() > 0.1
    # Neighbouring pixels are similar, as in photographs, but not equal.
    assert 0.9 < np.corrcoef(patch[:, 1:].ravel(), patch[:, :-1].ravel())[0, 1] < 0.999


def test_large_picture_is_mirrored_instead_of_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, int]] = []

    def record(height: int, width: int) -> object:
        drawn.append((height, width))
        return natural_patch(height, width)

    monkeypatch.setattr(probe, "natural_patch", record)
    picture = probe.natural_picture(1100, 600)
    assert (picture.shape, picture.dtype, drawn) == ((1100, 600, 3), np.float32, [(512, 512)])
    np.testing.assert_array_equal(picture[512:1024], picture[511::-1])
    np.testing.assert_array_equal(probe.natural_picture(64, 40), natural_patch(64, 40))
