"""Tiled runs of real networks give the bytes of the untiled run, or differ by at most the documented seam error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support.sampling import sampled
from tilewright import Settings, Upscaler
from tilewright.models.catalog import CATALOG
from tilewright.testing import make_picture

# Networks whose halo covers the whole receptive field.
EXACT = ["tilewright-photo", "realesr-animevideov3", "span-x2-ch48", "span-x4-ch48", "waifu2x-upconv7-photo"]

# Of these, the ones that the native engine runs.
NATIVE = EXACT[:-1]

# Networks that average over the tile. docs/models.md lists their largest seam errors with tiles of 200 pixels.
AVERAGING = {"realcugan-se": 37, "realcugan-pro": 39, "waifu2x-cunet": 32}


def require_network(name):
    if not CATALOG[name].installed:
        pytest.skip(f"{CATALOG[name].package} is not installed")


@pytest.mark.parametrize(
    ("name", "runtime", "precision"),
    [
        *[(name, "native", "fp32") for name in NATIVE],
        *[(name, "openvino", precision) for name in EXACT for precision in ("fp32", "auto")],
    ],
)
def test_exact_networks_give_the_same_bytes_for_any_tile_size(upscaler_for, name, runtime, precision):
    """OpenVINO computes a pixel in the same way for every tile shape, in float32 and in bf16."""
    require_network(name)
    if runtime == "openvino":
        pytest.importorskip("openvino")
    picture = make_picture(150, 210)
    options = {"model": name, "device": "cpu", "precision": precision, "runtime": runtime}
    whole = upscaler_for(**options).upscale_array(picture, CATALOG[name].scale)
    for tile in (84, 101, 120):
        tiled = upscaler_for(**options, tile=tile).upscale_array(picture, CATALOG[name].scale)
        np.testing.assert_array_equal(tiled, whole, err_msg=f"tile {tile}")


@pytest.mark.parametrize(
    ("name", "runtime"), [*[(name, "native") for name in NATIVE], *[(name, "onnxruntime") for name in EXACT]]
)
def test_exact_networks_give_the_same_bytes_for_any_number_of_threads(name, runtime):
    require_network(name)
    picture = make_picture(70, 100)
    results = []
    for tile, threads in [(None, 1), (None, 2), (64, 2)]:
        settings = replace(Settings.from_environment(), threads=threads, runtime=runtime)
        upscaler = Upscaler(model=name, device="cpu", tile=tile, settings=settings, store="memory://threads")
        results.append(upscaler.upscale_array(picture, CATALOG[name].scale))
        assert upscaler.session(factor=CATALOG[name].scale).runtime.startswith(runtime)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[1], results[2])


@pytest.mark.parametrize("factor", [2, 3])
def test_rescaled_factors_are_exact(upscaler_for, factor):
    picture = make_picture(100, 140)
    options = {"model": "realesr-animevideov3", "device": "cpu", "precision": "fp32"}
    whole = upscaler_for(**options).upscale_array(picture, factor)
    tiled = upscaler_for(**options, tile=90).upscale_array(picture, factor)
    np.testing.assert_array_equal(tiled, whole)


def seam_error(upscaler_for, name, picture, tile):
    """Returns the largest |tiled − whole| in 8-bit steps, measured with 16-bit samples to avoid rounding."""
    deep = picture.astype(np.uint16) * 257
    factor = CATALOG[name].scale
    whole = upscaler_for(model=name, device="cpu", precision="fp32").upscale_array(deep, factor)
    tiled = upscaler_for(model=name, device="cpu", precision="fp32", tile=tile).upscale_array(deep, factor)
    return np.abs(tiled.astype(int) - whole).max() / 257


def test_seam_error_of_a_deep_network_is_at_most_the_documented_one(upscaler_for):
    entry = CATALOG["realesrgan-x4plus-anime"]
    error = seam_error(upscaler_for, entry.name, make_picture(48, 200), 176)
    assert 0 < error <= entry.networks[0].seam_error


@pytest.mark.parametrize("name", sampled(AVERAGING, lambda name: name == "realcugan-se"))
def test_seam_error_of_networks_that_average_is_at_most_the_documented_one(upscaler_for, photo, name):
    require_network(name)
    error = seam_error(upscaler_for, name, photo[:200, :320], 200)
    print(f"{name}: {error:.2f} steps")
    assert 0.5 < error <= AVERAGING[name]


@pytest.mark.parametrize("name", AVERAGING)
def test_networks_that_average_get_the_whole_picture(upscaler_for, name):
    require_network(name)
    upscaler = upscaler_for(model=name, device="cpu", precision="fp32")
    plan = upscaler.estimate(700, 500, 2).plan
    assert len(plan) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["realesrgan-x4plus", "realesrgan-x4plus-anime", "realsr-df2k"])
def test_seam_error_of_deep_networks_on_a_photo_is_at_most_the_documented_one(upscaler_for, photo, name):
    require_network(name)
    error = seam_error(upscaler_for, name, photo[60:180, 50:410], 250)
    print(f"{name}: {error:.3f} steps")
    assert error <= CATALOG[name].networks[0].seam_error
