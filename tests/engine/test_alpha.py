"""Pictures with alpha: no hidden colour leaks into edges, and flat alpha keeps its value."""

from __future__ import annotations

import numpy as np
import pytest

from support import reference
from support.jobs import run_picture
from tilewright.engine.layers import FLAT_RADIUS
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sinks import ArraySink
from tilewright.models.spec import ModelSpec
from tilewright.picture import Picture
from tilewright.testing import FakeSession

COLOUR = (200, 60, 30)


def disc(hidden, height=70, width=90, dtype=np.uint8, soft=1.0):
    """Makes a disc of one colour with an edge `soft` pixels wide. Fully transparent pixels have the colour `hidden`."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2 + 0.3, x - width / 2 - 0.2)
    alpha = np.clip((min(height, width) * 0.35 - distance) / soft + 0.5, 0, 1)
    white = np.iinfo(dtype).max
    picture = np.empty((height, width, 4), dtype)
    picture[:, :, :3] = np.array(COLOUR) * (white // 255)
    picture[:, :, 3] = np.rint(alpha * white)
    visible = picture[:, :, 3:] > 0
    picture[:, :, :3] = np.where(visible, picture[:, :, :3], hidden)
    return picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("factor", [2, 4])
def test_hidden_colour_does_not_leak_into_the_edge(upscaler, factor, dtype):
    white = np.iinfo(dtype).max
    noise = np.random.default_rng(0).integers(0, white, (70, 90, 3))
    results = [upscaler.upscale_array(disc(hidden, dtype=dtype), factor) for hidden in (0, white, noise)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    visible = results[0][:, :, 3] > 0
    error = np.abs(results[0][visible][:, :3] / (white / 255) - COLOUR)
    assert error.max() < 8, "in steps of 1/255; above 100 if black leaks from transparent pixels"


def test_input_is_not_modified(upscaler):
    picture = disc(0)
    before = picture.copy()
    upscaler.upscale_array(picture, 2)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("channels", [2, 4])
def test_picture_and_its_array_give_the_same_result(upscaler, channels):
    array = disc(255)[:, :, 4 - channels :]
    result = upscaler.upscale_array(array, 2)
    picture = Picture(np.ascontiguousarray(array[:, :, :-1]), np.ascontiguousarray(array[:, :, -1]))
    other = upscaler.upscale_picture(picture, 2)
    np.testing.assert_array_equal(np.dstack([other.pixels, other.alpha]), result)


@pytest.mark.parametrize("precision", ["auto", "fp32"])
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus-anime", "span-x4-ch48"])
def test_opaque_and_transparent_areas_keep_their_alpha(upscaler_for, name, precision):
    picture = disc(0, height=60, width=60)
    result = upscaler_for(model=name, device="cpu", precision=precision).upscale_array(picture, 4)
    flat = reference.flat_around(picture[:, :, 3], FLAT_RADIUS).repeat(4, 0).repeat(4, 1)
    want = picture[:, :, 3].repeat(4, 0).repeat(4, 1)
    assert set(np.unique(want[flat])) == {0, 255}
    np.testing.assert_array_equal(result[:, :, 3][flat], want[flat])
    assert len(np.unique(result[:, :, 3][~flat])) > 100, "the edge goes through the network"


def test_skipped_tiles_do_not_change_the_result(upscaler_for):
    """Some tiles are opaque, some are transparent, and some contain an edge."""
    picture = disc(0, height=170, width=190, soft=3)
    whole = upscaler_for(device="cpu").upscale_array(picture, 4)
    tiled = upscaler_for(device="cpu", tile=60).upscale_array(picture, 4)
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize(("halo", "skips"), [(4, True), (1, False)])
def test_tiles_of_constant_alpha_do_not_go_through_the_network(halo, skips):
    picture = disc(0, height=200, width=200)
    session = FakeSession(ModelSpec(name="fake", scale=2, halo=halo))
    plan = plan_tiles(200, 200, session.spec, tile=40)
    flat = sum(
        np.ptp(picture[t.y.origin : t.y.origin + 40, t.x.origin : t.x.origin + 40, 3]) == 0
        for t in (plan[i] for i in range(len(plan)))
    )
    result = np.empty((400, 400, 4), np.uint8)
    run_picture(picture, plan, session, ArraySink(result))
    assert flat > 5
    assert len(session.batches) == 2 * len(plan) - (flat if skips else 0)
    np.testing.assert_array_equal(result, picture.repeat(2, 0).repeat(2, 1))
