"""The promise of the tiling: with real networks, tiled equals whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support.sampling import sampled
from tilewright import Settings, Upscaler
from tilewright.engine.sessions import select
from tilewright.models.catalog import CATALOG
from tilewright.testing import make_picture

# Networks whose halo is their whole receptive field.
EXACT = ["tilewright-photo", "realesr-animevideov3", "span-x2-ch48", "span-x4-ch48", "waifu2x-upconv7-photo"]

# Networks that average over the tile, and the most that tiles of 200 were seen to differ from the whole picture, as
# docs/models.md has it.
AVERAGING = {"realcugan-se": 37, "realcugan-pro": 39, "waifu2x-cunet": 32}


def need(name):
    if not CATALOG[name].installed:
        pytest.skip(f"{CATALOG[name].package} is not installed")


@pytest.mark.parametrize("precision", ["fp32", "auto"])
@pytest.mark.parametrize("name", EXACT)
def test_exact_networks_give_the_same_bytes_whatever_the_tile(upscaler_for, name, precision):
    """OpenVINO computes a pixel alike in every shape, in float32 and in bf16."""
    need(name)
    picture = make_picture(100, 140)
    chosen = {"model": name, "device": "cpu", "precision": precision}
    whole = upscaler_for(**chosen).upscale_array(picture, CATALOG[name].scale)
    for tile in (64, 71, 96):
        tiled = upscaler_for(**chosen, tile=tile).upscale_array(picture, CATALOG[name].scale)
        np.testing.assert_array_equal(tiled, whole, err_msg=f"tile {tile}")


@pytest.mark.parametrize("name", EXACT)
def test_the_same_bytes_on_onnxruntime_and_for_any_number_of_threads(monkeypatch, name):
    need(name)
    monkeypatch.setattr(select, "_openvino_installed", lambda: False)
    picture = make_picture(70, 100)
    results = []
    for tile, threads in [(None, 1), (None, 2), (64, 2)]:
        settings = replace(Settings.from_environment(), threads=threads)
        upscaler = Upscaler(model=name, device="cpu", tile=tile, settings=settings, store="memory://threads")
        results.append(upscaler.upscale_array(picture, CATALOG[name].scale))
        assert upscaler.session(factor=CATALOG[name].scale).runtime.startswith("onnxruntime")
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[1], results[2])


@pytest.mark.parametrize("factor", [2, 3])
def test_a_rescaled_factor_is_exact_too(upscaler_for, factor):
    picture = make_picture(100, 140)
    chosen = {"model": "realesr-animevideov3", "device": "cpu", "precision": "fp32"}
    whole = upscaler_for(**chosen).upscale_array(picture, factor)
    tiled = upscaler_for(**chosen, tile=90).upscale_array(picture, factor)
    np.testing.assert_array_equal(tiled, whole)


def seam_error(upscaler_for, name, picture, tile):
    """Largest |tiled − whole| in 8-bit steps; compared in 16 bits, where rounding hides nothing."""
    fine = picture.astype(np.uint16) * 257
    factor = CATALOG[name].scale
    whole = upscaler_for(model=name, device="cpu", precision="fp32").upscale_array(fine, factor)
    tiled = upscaler_for(model=name, device="cpu", precision="fp32", tile=tile).upscale_array(fine, factor)
    return np.abs(tiled.astype(int) - whole).max() / 257


def test_a_deep_network_keeps_its_promise(upscaler_for):
    entry = CATALOG["realesrgan-x4plus-anime"]
    error = seam_error(upscaler_for, entry.name, make_picture(48, 200), 176)
    assert 0 < error <= entry.networks[0].seam_error


@pytest.mark.parametrize("name", sampled(AVERAGING, lambda name: name == "realcugan-se"))
def test_tiles_of_a_network_that_averages_differ_as_the_page_says(upscaler_for, photo, name):
    need(name)
    error = seam_error(upscaler_for, name, photo[:200, :320], 200)
    print(f"{name}: {error:.2f} steps")
    assert 0.5 < error <= AVERAGING[name]


@pytest.mark.parametrize("name", AVERAGING)
def test_a_network_that_averages_is_given_the_whole_picture(upscaler_for, name):
    need(name)
    upscaler = upscaler_for(model=name, device="cpu", precision="fp32")
    plan = upscaler.estimate(700, 500, 2).plan
    assert len(plan) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["realesrgan-x4plus", "realesrgan-x4plus-anime", "realsr-df2k"])
def test_deep_networks_keep_their_promise_on_a_photo(upscaler_for, photo, name):
    need(name)
    error = seam_error(upscaler_for, name, photo[60:180, 50:410], 250)
    print(f"{name}: {error:.3f} steps")
    assert error <= CATALOG[name].networks[0].seam_error
