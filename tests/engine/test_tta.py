"""Self-ensemble: the mean over eight orientations, and the same bytes for any tiles."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.engine.sessions.tta import SelfEnsembleSession
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession, make_picture


def orientations(values):
    """Yields a batch [n, planes, h, w] in eight orientations, each with a function that undoes it."""
    for turns in range(4):
        for mirrored in (False, True):

            def transform(array, turns=turns, mirrored=mirrored):
                array = np.rot90(array, turns, axes=(-2, -1))
                return array[..., ::-1] if mirrored else array

            def undo(array, turns=turns, mirrored=mirrored):
                array = array[..., ::-1] if mirrored else array
                return np.rot90(array, -turns, axes=(-2, -1))

            yield np.ascontiguousarray(transform(values)), undo


class GradientSession(FakeSession):
    """Adds a gradient, so that results differ between orientations."""

    def run(self, batch, result=None):
        result = super().run(batch, result)
        height, width = result.shape[2:]
        result += np.arange(width, dtype=np.float32) / 100 + np.arange(height, dtype=np.float32)[:, None] / 10
        return result


@pytest.mark.parametrize("planes", [1, 3])
def test_result_is_the_mean_over_eight_orientations(planes):
    spec = ModelSpec(name="fake", scale=2, channel_order="Y" if planes == 1 else "RGB")
    batch = np.random.default_rng(0).random((2, planes, 5, 7), np.float32)
    want = np.mean([undo(GradientSession(spec).run(each)) for each, undo in orientations(batch)], axis=0)
    inner = GradientSession(spec)
    result = SelfEnsembleSession(inner).run(batch)
    assert (result.shape, result.dtype) == ((2, planes, 10, 14), np.float32)
    np.testing.assert_allclose(result, want, rtol=1e-6)
    assert sorted(inner.batches) == 4 * [(2, planes, 5, 7)] + 4 * [(2, planes, 7, 5)]


def test_network_of_fixed_size_gets_only_orientations_of_that_size():
    spec = ModelSpec(name="fake", scale=2, fixed_size=(5, 7))
    inner = FakeSession(spec)
    batch = np.random.default_rng(0).random((1, 3, 5, 7), np.float32)
    np.testing.assert_allclose(SelfEnsembleSession(inner).run(batch), batch.repeat(2, 2).repeat(2, 3), rtol=1e-6)
    assert inner.batches == 4 * [(1, 3, 5, 7)]


@pytest.mark.parametrize("name", ["tilewright-photo", "realesr-animevideov3", "span-x4-ch48"])
@pytest.mark.parametrize("factor", [3, 4])
def test_tiled_equals_untiled_and_mirrored_input_gives_the_mirrored_result(upscaler_for, name, factor):
    """The canvas applies the tail of the network. A network for a rescaled factor has no tail."""
    picture = make_picture(52, 60)
    whole = upscaler_for(model=name, device="cpu", tta=True).upscale_array(picture, factor)
    tiled = upscaler_for(model=name, device="cpu", tta=True, tile=48).upscale_array(picture, factor)
    np.testing.assert_array_equal(tiled, whole)
    mirrored = upscaler_for(model=name, device="cpu", tta=True).upscale_array(picture[:, ::-1], factor)[:, ::-1]
    plain = upscaler_for(model=name, device="cpu").upscale_array(picture, factor)
    mirrored_plain = upscaler_for(model=name, device="cpu").upscale_array(picture[:, ::-1], factor)[:, ::-1]
    assert np.abs(mirrored.astype(int) - whole).max() <= 1, "only the order of summation may differ"
    assert np.abs(mirrored_plain.astype(int) - plain).max() > 3


@pytest.mark.slow
def test_psnr_on_set5_is_higher_with_tta(upscaler_for, shared_data):
    from PIL import Image

    from support.metrics import psnr_y

    scores = []
    for tta in (None, True):
        upscaler = upscaler_for(model="span-x4-ch48", device="cpu", precision="fp32", tta=tta)
        each = []
        for path in sorted((shared_data / "set5" / "LRx4").glob("*.png")):
            small, truth = (
                np.asarray(Image.open(p).convert("RGB")) for p in (path, shared_data / "set5/HR" / path.name)
            )
            result = upscaler.upscale_array(small, 4)
            each.append(psnr_y(result, truth[: result.shape[0], : result.shape[1]], 4))
        scores.append(np.mean(each))
    print(f"{scores[0]:.3f} dB, {scores[1]:.3f} dB with tta")
    assert scores[1] > scores[0] + 0.03
