"""Tests of the trained network and of the teacher."""
# ruff: noqa: E402

from __future__ import annotations

import numpy as np
import pytest

from tilewright import Upscaler
from tilewright.testing import make_picture

torch = pytest.importorskip("torch", reason="needs the dependency group training")

from torch.nn import functional

from training.network import body_of, deepen, network_from, with_head_for
from training.teacher import NAME as TEACHER
from training.teacher import TorchTeacher


def test_published_weights_give_the_results_of_the_published_network(published):
    picture = make_picture(30, 40)
    with torch.no_grad():
        result = network_from(published)(torch.from_numpy(picture.transpose(2, 0, 1)[None]).float() / 255)
    want = Upscaler(model="realesr-animevideov3", device="cpu", precision="fp32").upscale_array(picture, 4)
    got = (result.clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).numpy()
    assert np.abs(got.astype(int) - want).max() <= 1


@pytest.mark.parametrize("body", [16, 21, 32, 40])
def test_added_layers_do_not_change_the_results(published, body):
    weights = deepen(published, body)
    assert body_of(weights) == body
    pictures = torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        results, expected = network_from(weights)(pictures), network_from(published)(pictures)
    torch.testing.assert_close(results, expected, rtol=0, atol=1e-5)


def test_layers_cannot_be_removed(published):
    with pytest.raises(ValueError, match="has 16 layers, which cannot be reduced to 15"):
        deepen(published, 15)


@pytest.mark.parametrize("scale", [2, 3])
def test_new_head_computes_area_averages_of_the_old_one(published, scale):
    pictures = torch.rand(1, 3, 12, 12)
    old, new = network_from(published), network_from(with_head_for(published, scale))
    with torch.no_grad():
        expected = functional.interpolate(old(pictures), scale_factor=scale / 4, mode="area")
        if scale == 3:
            # Four pixels become three, which are averages over windows of 4/3 pixels: four twelfths
            # of three times the size.
            fine = old(pictures).repeat_interleave(3, 2).repeat_interleave(3, 3)
            expected = functional.avg_pool2d(fine, 4)
        torch.testing.assert_close(new(pictures), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 0.01), (torch.float16, 0.1)])
def test_teacher_in_pytorch_agrees_with_tilewright(photo, upscaler_for, dtype, share):
    crops = np.stack([photo[90:106, 160:176], photo[150:166, 200:216]])
    results = TorchTeacher(torch.device("cpu"), dtype)(crops)
    upscaler = upscaler_for(model=TEACHER, device="cpu", precision="fp32")
    for crop, result in zip(crops, results, strict=True):
        difference = np.abs(result.astype(int) - upscaler.upscale_array(np.ascontiguousarray(crop), 4))
        assert difference.max() <= 1
        assert (difference > 0).mean() < share
