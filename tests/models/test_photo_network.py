"""tilewright-photo, the default network."""

from __future__ import annotations

import io
import json

import numpy as np
import onnx
import pytest
from PIL import Image

from support.networks import run
from tilewright.engine.sessions.prepare import split_tail
from tilewright.models.catalog import CATALOG, DEFAULT
from tilewright.models.graph.float16 import to_float16
from tilewright.models.loader import load_model
from tilewright.testing import make_picture

FACTORS = (2, 3, 4)
MOST_FLOPS = 1.3e6
RADIUS = 18  # convolutions of 3 x 3


def psnr(result, expected):
    """Returns the PSNR in dB of values in 0..255."""
    return 10 * np.log10(255**2 / np.mean((result.astype(np.float64) - expected) ** 2))


def test_it_is_the_default_and_part_of_the_package(upscaler_for):
    entry = CATALOG[DEFAULT]
    assert (entry.name, entry.factors, entry.package) == ("tilewright-photo", FACTORS, "tilewright")
    assert entry.installed
    upscaler = upscaler_for(device="cpu")
    for factor in FACTORS:
        assert upscaler.session(factor=factor).spec.name == "tilewright-photo"


@pytest.mark.parametrize("factor", FACTORS)
def test_every_factor_has_a_head_and_metadata(own_cache, factor):
    model = load_model(DEFAULT, factor, cache_dir=own_cache)
    assert CATALOG[DEFAULT].network(factor).scale == factor
    assert model.spec.flops_per_pixel <= MOST_FLOPS
    assert model.spec.halo == model.spec.receptive_radius == RADIUS
    metadata = {entry.key: entry.value for entry in onnx.load(model.path).metadata_props}
    assert metadata["name"] == "tilewright-photo"
    assert json.loads(metadata["steps"])[f"x{factor}"] > 0
    assert all(metadata[key] for key in ("version", "licence", "training_data"))
    assert metadata["commit"]
    assert "dirty" not in metadata["commit"], "the metadata names the commit that trained it"
    means = json.loads(metadata["metrics"])[f"x{factor}"]
    ours = means[f"tilewright-photo-x{factor}"]
    for other in ("bicubic", "realesr-animevideov3"):
        assert ours["psnr"] > means[other]["psnr"], "PSNR to the teacher network"


@pytest.mark.parametrize(("height", "width"), [(74, 100), (75, 101)])
@pytest.mark.parametrize("factor", FACTORS)
def test_tiling_does_not_change_a_byte(upscaler_for, factor, height, width):
    picture = make_picture(height, width)
    whole = upscaler_for(device="cpu").upscale_array(picture, factor)
    np.testing.assert_array_equal(upscaler_for(device="cpu", tile=71).upscale_array(picture, factor), whole)


def test_one_file_contains_all_factors():
    entry = CATALOG[DEFAULT]
    [file] = {name for factor in FACTORS for name in entry.network(factor).files}
    assert {output.name for output in onnx.load(entry.folder / file).graph.output} == {"x2", "x3", "x4"}


@pytest.mark.parametrize("factor", FACTORS)
def test_bf16_and_float16_are_within_50_db_of_float32(upscaler_for, own_cache, photo, factor):
    picture = np.ascontiguousarray(photo[60:156, 100:228])
    exact = upscaler_for(device="cpu", precision="fp32").upscale_array(picture, factor)
    session = upscaler_for(device="cpu").session(factor=factor)
    if session.precision == "bf16":  # not every CPU supports it
        assert psnr(upscaler_for(device="cpu").upscale_array(picture, factor), exact) > 50

    head, tail = split_tail(load_model(DEFAULT, factor, cache_dir=own_cache))
    batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    result = run(to_float16(head), batch.astype(np.float16)).astype(np.float32)
    finished = tail.applied(result, batch)[0].transpose(1, 2, 0).clip(0, 1) * 255
    assert psnr(finished.round(), exact) > 50


@pytest.mark.slow
@pytest.mark.parametrize("factor", FACTORS)
def test_a_degraded_photo_comes_out_like_the_teachers(upscaler_for, photo, factor):
    """It is closer than its initial network and bicubic; the photo is not in the training data."""
    crop = Image.fromarray(photo[40:168, 90:250]).resize((80, 64), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(2).normal(0, 6, (64, 80, 3))
    file = io.BytesIO()
    Image.fromarray((np.asarray(crop) + noise).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=70)
    picture = np.asarray(Image.open(file))
    size = (80 * factor, 64 * factor)
    expected = Image.fromarray(upscaler_for(model="realesrgan-x4plus", device="cpu").upscale_array(picture, 4))
    expected = np.asarray(expected.resize(size, Image.Resampling.LANCZOS))
    ours = psnr(upscaler_for(device="cpu").upscale_array(picture, factor), expected)
    start = psnr(upscaler_for(model="realesr-animevideov3", device="cpu").upscale_array(picture, factor), expected)
    interpolated = psnr(np.asarray(Image.open(file).resize(size, Image.Resampling.BICUBIC)), expected)
    print(f"x{factor}: {ours:.2f} dB to the teacher; realesr-animevideov3 {start:.2f}, bicubic {interpolated:.2f}")
    assert ours > max(start, interpolated) + 1


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("level", [0, 30, 75, 105, 128, 180, 220, 240, 255])
def test_flat_grey_stays_flat_and_grey(upscaler_for, factor, level):
    """Measured in 16 bits, to exclude rounding. The teacher shifts tones too: 240 by 12 of 255."""
    flat = np.full((48, 48, 3), level * 257, np.uint16)
    result = upscaler_for(device="cpu", precision="fp32").upscale_array(flat, factor) / 257
    inner = result[RADIUS * factor : -RADIUS * factor, RADIUS * factor : -RADIUS * factor] - level
    print(f"x{factor}, {level}: {inner.min(axis=(0, 1)).round(1)} to {inner.max(axis=(0, 1)).round(1)}")
    assert np.abs(inner.mean(axis=(0, 1))).max() <= 6, "shifted"
    assert np.ptp(inner.mean(axis=(0, 1))) <= 3, "coloured"
    assert np.ptp(inner, axis=(0, 1)).max() <= 3, "patterned"


@pytest.mark.parametrize("factor", FACTORS)
def test_noise_is_reduced_and_edges_stay_sharp(upscaler_for, factor):
    clean = np.full((64, 64, 3), 96, np.uint8)
    clean[:, 32:] = 160
    noisy = (clean + np.random.default_rng(5).normal(0, 8, clean.shape)).clip(0, 255).astype(np.uint8)
    result = upscaler_for(device="cpu").upscale_array(noisy, factor).astype(float)
    left, right = result[:, : 24 * factor], result[:, 40 * factor :]
    assert max(left.std(axis=(0, 1)).max(), right.std(axis=(0, 1)).max()) < 4
    # Most of the step must lie within one input pixel; interpolation puts half of it there.
    across = result.mean(axis=(0, 2))
    half = factor // 2
    assert across[32 * factor + half] - across[32 * factor - half - 1] > 0.7 * (right.mean() - left.mean())
