"""Cut-out pictures through real networks: clean edges, and alpha that is what it was."""

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
    """A disc of one colour with an edge `soft` pixels wide, over `hidden` colour where it shows nothing."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2 + 0.3, x - width / 2 - 0.2)
    alpha = np.clip((min(height, width) * 0.35 - distance) / soft + 0.5, 0, 1)
    white = np.iinfo(dtype).max
    picture = np.empty((height, width, 4), dtype)
    picture[:, :, :3] = np.array(COLOUR) * (white // 255)
    picture[:, :, 3] = np.rint(alpha * white)
    shown = picture[:, :, 3:] > 0
    picture[:, :, :3] = np.where(shown, picture[:, :, :3], hidden)
    return picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("factor", [2, 4])
def test_no_colour_from_under_transparency_gets_into_the_edge(upscaler, factor, dtype):
    white = np.iinfo(dtype).max
    noise = np.random.default_rng(0).integers(0, white, (70, 90, 3))
    results = [upscaler.upscale_array(disc(hidden, dtype=dtype), factor) for hidden in (0, white, noise)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    shown = results[0][:, :, 3] > 0
    off = np.abs(results[0][shown][:, :3] / (white / 255) - COLOUR)
    assert off.max() < 8, "levels of 255; with black left under the transparency it is over 100"


def test_the_input_is_left_alone(upscaler):
    picture = disc(0)
    before = picture.copy()
    upscaler.upscale_array(picture, 2)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_picture_gives_the_same_as_its_array(upscaler, channels):
    array = disc(255)[:, :, 4 - channels :]
    result = upscaler.upscale_array(array, 2)
    picture = Picture(np.ascontiguousarray(array[:, :, :-1]), np.ascontiguousarray(array[:, :, -1]))
    other = upscaler.upscale_picture(picture, 2)
    np.testing.assert_array_equal(np.dstack([other.pixels, other.alpha]), result)


@pytest.mark.parametrize("precision", ["auto", "fp32"])
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus-anime", "span-x4-ch48"])
def test_opaque_stays_opaque_and_nothing_stays_nothing(upscaler_for, name, precision):
    picture = disc(0, height=60, width=60)
    result = upscaler_for(model=name, device="cpu", precision=precision).upscale_array(picture, 4)
    flat = reference.flat_around(picture[:, :, 3], FLAT_RADIUS).repeat(4, 0).repeat(4, 1)
    want = picture[:, :, 3].repeat(4, 0).repeat(4, 1)
    assert set(np.unique(want[flat])) == {0, 255}
    np.testing.assert_array_equal(result[:, :, 3][flat], want[flat])
    assert len(np.unique(result[:, :, 3][~flat])) > 100, "the edge is the network's"


def test_tiles_that_are_skipped_change_nothing(upscaler_for):
    """Some tiles are opaque all over, some show nothing, some have an edge."""
    picture = disc(0, height=230, width=260, soft=3)
    whole = upscaler_for(device="cpu").upscale_array(picture, 4)
    tiled = upscaler_for(device="cpu", tile=60).upscale_array(picture, 4)
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize(("halo", "skips"), [(4, True), (1, False)])
def test_tiles_of_flat_alpha_do_not_go_through_the_network(halo, skips):
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
