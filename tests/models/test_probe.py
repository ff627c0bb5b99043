"""The synthetic test picture."""

from __future__ import annotations

import numpy as np
import pytest

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
