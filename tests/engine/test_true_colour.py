"""True colour: low frequencies of the input, detail of the network, and the same bytes for any tiles."""

from __future__ import annotations

import numpy as np
import pytest

from support.jobs import run_picture
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sessions.true_colour import FILTER_RADIUS, TrueColourSession
from tilewright.engine.sinks import ArraySink
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession, make_picture


class TintingSession(FakeSession):
    """Shifts red up and blue down, and adds a fine pattern of mean 0."""

    def run(self, batch, result=None):
        result = super().run(batch, result)
        result += np.array([0.05, 0, -0.05], np.float32)[:, None, None]
        result[..., ::2] += np.float32(0.02)
        result[..., 1::2] -= np.float32(0.02)
        return result


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_tint_is_removed_and_detail_is_kept(value_range):
    spec = ModelSpec(name="fake", scale=2, value_range=value_range)
    batch = 0.3 + 0.4 * np.random.default_rng(0).random((1, 3, 40, 50), np.float32)
    result = TrueColourSession(TintingSession(spec)).run(batch)
    want = batch.repeat(2, 2).repeat(2, 3)
    want[..., ::2] += np.float32(0.02)
    want[..., 1::2] -= np.float32(0.02)
    np.testing.assert_allclose(result, want, atol=1e-6)


def test_values_outside_the_range_are_not_corrected():
    """A result brighter than white must not darken the picture."""

    class OvershootingSession(FakeSession):
        def run(self, batch, result=None):
            result = super().run(batch, result)
            result[result == 1] = 1.3
            return result

    white = np.ones((1, 3, 20, 20), np.float32)
    assert (TrueColourSession(OvershootingSession()).run(white) >= 1).all()


def test_only_low_frequencies_are_corrected():
    """A single bright pixel that the network removes is not restored."""

    class SmoothingSession(FakeSession):
        def run(self, batch, result=None):
            return super().run(np.full_like(batch, 0.5), result)

    batch = np.full((1, 3, 41, 41), 0.5, np.float32)
    batch[..., 20, 20] = 1
    result = TrueColourSession(SmoothingSession()).run(batch)
    assert np.abs(result - 0.5).max() < 0.05


def test_halo_is_exactly_wide_enough():
    """Tiles of a pointwise network need a halo of the filter radius to give the same bytes."""
    spec = ModelSpec(name="fake", scale=3)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (90, 100, 3), np.uint8)

    class SquaringSession(FakeSession):
        def run(self, batch, result=None):
            result = super().run(batch, result)
            return np.square(result, out=result)

    def upscale(halo, tile):
        session = TrueColourSession(SquaringSession(spec))
        assert session.spec.halo == FILTER_RADIUS
        planned = ModelSpec(name="fake", scale=3, halo=halo)
        plan = plan_tiles(100, 90, planned, tile=tile)
        target = np.empty((270, 300, 3), np.uint8)
        run_picture(picture, plan, session, ArraySink(target))
        return target

    whole = upscale(FILTER_RADIUS, 200)
    np.testing.assert_array_equal(upscale(FILTER_RADIUS, 40), whole)
    assert (upscale(FILTER_RADIUS - 2, 40) != whole).any()


def low_frequencies(picture, side=16):
    height, width = (length // side * side for length in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // side, side, width // side, side, 3)
    return blocks.mean((1, 3))


def detail(picture):
    return np.abs(np.diff(picture.astype(float), axis=1)).mean()


@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus-anime"])
def test_photo_keeps_its_colours_and_the_detail_of_the_network(upscaler_for, photo, name):
    crop = photo[60:156, 100:228]
    plain = upscaler_for(model=name, device="cpu").upscale_array(crop, 4)
    true = upscaler_for(model=name, device="cpu", true_colour=True).upscale_array(crop, 4)
    want = low_frequencies(crop)
    errors = [np.abs(low_frequencies(result, 64) - want).mean() for result in (plain, true)]
    print(f"{name}: mean colour error {errors[0]:.2f}, {errors[1]:.2f} with true colours")
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.5
    assert detail(true) == pytest.approx(detail(plain), rel=0.03)


@pytest.mark.parametrize("level", [0, 60, 128, 220, 255])
def test_flat_tones_are_kept(upscaler_for, level):
    upscaler = upscaler_for(model="realesr-animevideov3", device="cpu", precision="fp32", true_colour=True)
    flat = np.full((64, 64, 3), level, np.uint8)
    flat[:, :, 1] = 255 - level
    result = upscaler.upscale_array(flat, 4).astype(int)
    assert np.abs(result[64:-64, 64:-64] - flat[0, 0]).max() <= 2, "up to 6 without true_colour"


@pytest.mark.parametrize("factor", [3, 4])
def test_tiled_equals_untiled(upscaler_for, factor):
    picture = make_picture(90, 120)
    options = {"model": "realesr-animevideov3", "device": "cpu", "true_colour": True}
    whole = upscaler_for(**options).upscale_array(picture, factor)
    tiled = upscaler_for(**options, tile=80).upscale_array(picture, factor)
    np.testing.assert_array_equal(tiled, whole)
