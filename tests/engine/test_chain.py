"""A network of factor 1 before another one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from support.networks import network
from tilewright import Upscaler
from tilewright.engine.sessions.base import finished_result
from tilewright.engine.sessions.chain import ChainedSession
from tilewright.errors import ModelError
from tilewright.models.probe import natural_picture
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession

FAST = "realesr-animevideov3"


def blur(path, *, planes=3, white=1.0):
    """Writes a network of factor 1 that averages 5 x 5 pixels, and darkens values by a tenth of white."""
    weights = np.zeros((planes, planes, 5, 5), np.float32)
    for plane in range(planes):
        weights[plane, plane] = 1 / 25
    bias = np.full(planes, -0.1 * white, np.float32)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[5, 5], pads=[2] * 4)
    onnx.save(network([node], {"w": weights, "b": bias}, shape=(1, planes, "h", "w")), path)
    return path


@pytest.fixture
def picture():
    return (natural_picture(70, 90) * 65535).astype(np.uint16)


def upscaler(**options):
    return Upscaler(device="cpu", precision="fp32", **options)


@pytest.mark.parametrize("options", [{}, {"tile": 48}, {"tta": True}], ids=["whole", "tiled", "self-ensemble"])
def test_result_is_that_of_both_networks_one_after_the_other(tmp_path, picture, options):
    path = blur(tmp_path / "blur.onnx")
    first = upscaler(model=path).upscale_array(picture, 1)
    tiled = {key: value for key, value in options.items() if key != "tile"}
    expected = upscaler(model=FAST, **tiled).upscale_array(first, 4)
    result = upscaler(model=FAST, pre=path, **options).upscale_array(picture, 4)
    # The first result is rounded to 16 bits when it is written in between, and the network amplifies that.
    difference = np.abs(result.astype(int) - expected)
    assert difference.max() <= 64  # a quarter of an 8-bit step
    assert difference.mean() < 2


def test_tiles_give_the_bytes_of_the_whole_picture(tmp_path, picture):
    path = blur(tmp_path / "blur.onnx")
    whole = upscaler(model=FAST, pre=path).upscale_array(picture, 2)
    np.testing.assert_array_equal(upscaler(model=FAST, pre=path, tile=112).upscale_array(picture, 2), whole)


def test_a_network_for_grey_runs_before_one_for_colour_plane_by_plane(tmp_path, picture):
    grey, colour = blur(tmp_path / "grey.onnx", planes=1), blur(tmp_path / "colour.onnx")
    expected = upscaler(model=FAST, pre=colour).upscale_array(picture, 4)
    result = upscaler(model=FAST, pre=grey).upscale_array(picture, 4)
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_value_ranges_may_differ(tmp_path, picture):
    small, large = blur(tmp_path / "1.onnx"), blur(tmp_path / "255.onnx", white=255.0)
    expected = upscaler(model=small, pre=small).upscale_array(picture, 1)
    with_spec = upscaler(model=large, pre=small, spec={"value_range": (0.0, 255.0)})
    assert np.abs(with_spec.upscale_array(picture, 1).astype(int) - expected).max() <= 1


def test_spec_adds_halos_and_joins_sizes():
    first = ModelSpec(name="a", scale=1, halo=5, multiple_of=4, minimum=12, receptive_radius=5, licence="MIT")
    second = ModelSpec(name="b", scale=2, halo=7, multiple_of=6, minimum=6, receptive_radius=7, seam_error=0.001)
    spec = ChainedSession(FakeSession(first), FakeSession(second)).spec
    assert (spec.name, spec.scale, spec.halo, spec.receptive_radius) == ("a + b", 2, 12, 12)
    assert (spec.multiple_of, spec.minimum, spec.feather, spec.seam_error) == (12, 12, 0, 0.001)
    assert spec.licence == "MIT"


def test_between_the_networks_values_are_limited_to_black_and_white():
    class Brighter(FakeSession):
        def run(self, batch, result=None):
            return super().run(batch + np.float32(0.5), result)

    one, two = (ModelSpec(name="n", scale=scale) for scale in (1, 2))
    chained = ChainedSession(Brighter(one), FakeSession(two))
    batch = np.full((1, 3, 4, 4), 0.75, np.float32)
    assert (finished_result(chained, batch) == 1).all()


def test_networks_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ModelError, match="must have the factor 1, but 'realesr-animevideov3' offers 2, 3, 4") as caught:
        upscaler(model=FAST, pre=FAST).upscale_array(np.zeros((8, 8, 3), np.uint8), 2)
    assert caught.value.parameter == "pre"
    with pytest.raises(ModelError, match="no network file at"):
        upscaler(model=FAST, pre=tmp_path / "missing.onnx")
    sizes = [ModelSpec(name="n", scale=1, fixed_size=(side, side)) for side in (32, 64)]
    with pytest.raises(ModelError, match="no size in common"):
        ChainedSession(*(FakeSession(spec) for spec in sizes))
    with pytest.raises(ModelError, match="must have the factor 1, but 'n' has 2"):
        ChainedSession(FakeSession(ModelSpec(name="n", scale=2)), FakeSession(ModelSpec(name="m", scale=2)))
