"""Tests of the degradation of training inputs."""
# ruff: noqa: E402

from __future__ import annotations

import numpy as np
import pytest

from tilewright.testing import make_picture

torch = pytest.importorskip("torch", reason="needs the dependency group training")

from training.degrade import blur, blur_kernel, random_input, sinc_kernel


def test_degraded_crops_are_reproducible_and_all_different():
    photo = make_picture(200, 260)
    crops = [random_input(photo, 32, np.random.default_rng(seed)) for seed in range(40)]
    assert all(crop.shape == (32, 32, 3) and crop.dtype == np.uint8 for crop in crops)
    assert len({crop.tobytes() for crop in crops}) == 40
    np.testing.assert_array_equal(random_input(photo, 32, np.random.default_rng(7)), crops[7])


def test_accepts_a_photo_of_the_size_of_the_crop():
    assert random_input(make_picture(32, 40), 32, np.random.default_rng(0)).shape == (32, 32, 3)


@pytest.mark.parametrize("seed", range(8))
def test_kernels_keep_flat_colours(seed):
    flat = torch.full((3, 40, 40), 0.25)
    for kernel in (blur_kernel(np.random.default_rng(seed), 0.2, 3.0), sinc_kernel(np.random.default_rng(seed))):
        torch.testing.assert_close(blur(flat, kernel), flat)
