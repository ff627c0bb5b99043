"""Networks with denoising levels and unpadded convolutions: Real-CUGAN and waifu2x."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright
from tilewright import Upscaler
from tilewright.errors import ModelError
from tilewright.models.catalog import CATALOG

NETWORKS = [
    pytest.param(entry.name, factor, id=f"{entry.name}-x{factor}")
    for entry in CATALOG.values()
    if entry.denoise
    for factor in entry.factors
]


@pytest.fixture(autouse=True)
def _weights(request):
    """Skips a test if weights are missing: of its parameter `name`, or else of any network."""
    named = request.node.callspec.params.get("name") if hasattr(request.node, "callspec") else None
    for entry in [CATALOG[named]] if named in CATALOG else CATALOG.values():
        if entry.denoise and not entry.installed:
            pytest.skip(f"{entry.package} is not installed")


@pytest.mark.parametrize(("name", "factor"), NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (19, 3), (33, 51)], ids=str)
def test_results_have_the_right_size_and_are_not_shifted(upscaler_for, photo, name, factor, size):
    height, width = size
    upscaler = upscaler_for(model=name, device="cpu", precision="fp32")
    picture = np.ascontiguousarray(photo[100 : 100 + height, 150 : 150 + width])
    result = upscaler.upscale_array(picture, factor)
    assert result.shape == (height * factor, width * factor, 3)
    shrunk = result.reshape(height, factor, width, factor, 3).mean(axis=(1, 3))
    # Some networks sharpen, most where a picture of one row is mirrored. A shift by one pixel would
    # give 20 or more.
    assert np.abs(shrunk - picture).mean() < 8
    assert np.abs(shrunk.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 4


@pytest.mark.parametrize(("name", "factor"), NETWORKS)
def test_grey_and_alpha_keep_their_channels(upscaler_for, photo, name, factor):
    upscaler = upscaler_for(model=name, device="cpu", precision="fp32")
    crop = photo[100:140, 150:200]
    picture = np.ascontiguousarray(np.concatenate([crop, crop[:, ::-1, :1]], axis=2))
    result = upscaler.upscale_array(picture, factor)
    assert result.shape == (40 * factor, 50 * factor, 4)
    shrunk = result.reshape(40, factor, 50, factor, 4).mean(axis=(1, 3))
    assert np.abs(shrunk - picture).mean(axis=(0, 1)).max() < 8
    assert upscaler.upscale_array(np.ascontiguousarray(picture[:, :, 1:2]), factor).shape == (
        40 * factor,
        50 * factor,
        1,
    )


@pytest.mark.parametrize(
    ("name", "levels"), [("waifu2x-cunet", ("none", 1, 3)), ("realcugan-se", ("conservative", "1", "3"))]
)
def test_higher_denoising_levels_leave_less_noise(name, levels):
    noise = np.random.default_rng(5).normal(0, 9, (64, 64, 3))
    noisy = np.clip(128 + noise, 0, 255).astype(np.uint8)
    left = []
    for level in levels:
        upscaler = Upscaler(model=name, denoise=level, device="cpu", precision="fp32", store="memory://denoise")
        left.append(upscaler.upscale_array(noisy, 2).std())
        assert upscaler.session(factor=2).spec.denoise == str(level)
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0] / 2


def test_pro_keeps_saturated_colours(upscaler_for):
    """With black at 0 and white at 1, instead of 0.15 and 0.85, magenta became another colour."""
    upscaler = upscaler_for(model="realcugan-pro", device="cpu", precision="fp32")
    for factor in (2, 3):
        for colour in ((255, 0, 255), (255, 255, 255), (0, 0, 255), (0, 0, 0)):
            picture = np.full((24, 24, 3), colour, np.uint8)
            assert np.abs(upscaler.upscale_array(picture, factor).astype(int) - colour).max() <= 4


@pytest.mark.parametrize(
    ("name", "denoise"),
    [
        ("realesr-animevideov3", 3),
        ("auto", "none"),
        ("own.onnx", "none"),
        ("waifu2x-cunet", 4),
        ("waifu2x-cunet", True),
    ],
)
def test_a_level_that_is_not_offered_is_an_error_at_once(name, denoise):
    with pytest.raises(ModelError, match="does not offer denoise") as caught:
        Upscaler(model=name, denoise=denoise, device="cpu", store="memory://denoise")
    assert caught.value.parameter == "denoise"


def test_a_level_that_is_not_offered_at_a_factor_is_an_error(photo):
    upscaler = Upscaler(model="realcugan-se", denoise=1, device="cpu", store="memory://denoise")
    with pytest.raises(ModelError, match="at factor 3; it offers conservative, none, 3") as caught:
        upscaler.upscale_array(photo[:8, :8], 3)
    assert caught.value.parameter == "denoise"
    envelope = upscaler.upscale(tilewright.new_task(photo[:8, :8], 3))
    assert [(error["code"], error["parameter"]) for error in envelope["errors"]] == [("invalidModel", "denoise")]


def test_a_network_named_by_a_task_uses_its_default_level(photo):
    upscaler = Upscaler(model="waifu2x-cunet", denoise=3, device="cpu", store="memory://denoise")
    assert upscaler.find("waifu2x-upconv7-photo", 2).spec.denoise == "none"
    assert upscaler.find("waifu2x-cunet", 2).spec.denoise == "3"
    envelope = upscaler.upscale(tilewright.new_task(photo[:8, :8], 2, model="realesr-animevideov3"))
    assert "errors" not in envelope
