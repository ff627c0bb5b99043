"""tilewright-photo, the network that is meant when none is named."""

from __future__ import annotations

import io
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from tilewright.engine.sessions.base import parted
from tilewright.models.catalog import CATALOG, DEFAULT
from tilewright.models.graph.half import to_half
from tilewright.models.loader import load_model
from tilewright.testing import make_picture

FACTORS = (2, 3, 4)
MOST_FLOPS = 1.3e6
RADIUS = 18  # convolutions of 3 x 3


def psnr(made, wanted):
    """In dB, of values in 0..255."""
    return 10 * np.log10(255**2 / np.mean((made.astype(np.float64) - wanted) ** 2))


def test_it_is_what_auto_means_and_comes_with_the_package(upscaler_for):
    entry = CATALOG[DEFAULT]
    assert (entry.name, entry.factors, entry.package) == ("tilewright-photo", FACTORS, "tilewright")
    assert entry.installed
    upscaler = upscaler_for(device="cpu")
    for factor in FACTORS:
        assert upscaler.session(factor=factor).spec.name == "tilewright-photo"


@pytest.mark.parametrize("factor", FACTORS)
def test_it_has_a_head_of_its_own_for_every_factor(own_cache, factor):
    model = load_model(DEFAULT, factor, cache_dir=own_cache)
    assert CATALOG[DEFAULT].network(factor).scale == factor
    assert model.spec.flops_per_pixel <= MOST_FLOPS
    assert model.spec.halo == model.spec.receptive_radius == RADIUS
    told = {entry.key: entry.value for entry in onnx.load(model.path).metadata_props}
    assert told["name"] == "tilewright-photo"
    assert json.loads(told["steps"])[f"x{factor}"] > 0
    assert all(told[key] for key in ("version", "licence", "training_data"))
    assert told["commit"]
    assert "dirty" not in told["commit"], "the code that made it can be found"
    means = json.loads(told["metrics"])[f"x{factor}"]
    ours = means[f"tilewright-photo-x{factor}"]
    for other in ("bicubic", "realesr-animevideov3"):
        assert ours["psnr"] > means[other]["psnr"], "to the teacher"


@pytest.mark.parametrize(("height", "width"), [(110, 150), (111, 151)])
@pytest.mark.parametrize("factor", FACTORS)
def test_tiles_give_the_same_bytes_as_the_whole(upscaler_for, factor, height, width):
    picture = make_picture(height, width)
    whole = upscaler_for(device="cpu").upscale_array(picture, factor)
    np.testing.assert_array_equal(upscaler_for(device="cpu", tile=71).upscale_array(picture, factor), whole)


def test_all_factors_come_from_one_file():
    entry = CATALOG[DEFAULT]
    [file] = {name for factor in FACTORS for name in entry.network(factor).files}
    assert {output.name for output in onnx.load(entry.folder / file).graph.output} == {"x2", "x3", "x4"}


@pytest.mark.parametrize("factor", FACTORS)
def test_bf16_and_float16_are_within_50_db_of_float32(upscaler_for, own_cache, photo, factor):
    picture = np.ascontiguousarray(photo[60:156, 100:228])
    exact = upscaler_for(device="cpu", precision="fp32").upscale_array(picture, factor)
    session = upscaler_for(device="cpu").session(factor=factor)
    if session.precision == "bf16":  # of this CPU, which may have none
        assert psnr(upscaler_for(device="cpu").upscale_array(picture, factor), exact) > 50

    head, tail = parted(load_model(DEFAULT, factor, cache_dir=own_cache))
    half = onnxruntime.InferenceSession(to_half(head).SerializeToString(), providers=["CPUExecutionProvider"])
    batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    result = half.run(None, {half.get_inputs()[0].name: batch.astype(np.float16)})[0].astype(np.float32)
    made = tail.applied(result, batch)[0].transpose(1, 2, 0).clip(0, 1) * 255
    assert psnr(made.round(), exact) > 50


@pytest.mark.slow
@pytest.mark.parametrize("factor", FACTORS)
def test_of_a_damaged_photograph_it_makes_what_its_teacher_makes(upscaler_for, photo, factor):
    """Nearer than the network that it began as, and than interpolation, on a photograph that it has not seen."""
    crop = Image.fromarray(photo[40:168, 90:250]).resize((80, 64), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(2).normal(0, 6, (64, 80, 3))
    file = io.BytesIO()
    Image.fromarray((np.asarray(crop) + noise).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=70)
    picture = np.asarray(Image.open(file))
    size = (80 * factor, 64 * factor)
    wanted = Image.fromarray(upscaler_for(model="realesrgan-x4plus", device="cpu").upscale_array(picture, 4))
    wanted = np.asarray(wanted.resize(size, Image.Resampling.LANCZOS))
    ours = psnr(upscaler_for(device="cpu").upscale_array(picture, factor), wanted)
    start = psnr(upscaler_for(model="realesr-animevideov3", device="cpu").upscale_array(picture, factor), wanted)
    interpolated = psnr(np.asarray(Image.open(file).resize(size, Image.Resampling.BICUBIC)), wanted)
    print(f"x{factor}: {ours:.2f} dB to the teacher; realesr-animevideov3 {start:.2f}, bicubic {interpolated:.2f}")
    assert ours > max(start, interpolated) + 1


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("level", [0, 30, 75, 105, 128, 180, 220, 240, 255])
def test_flat_grey_stays_flat_and_grey(upscaler_for, factor, level):
    """In 16 bits, where rounding hides nothing; in steps of 1/255. The teacher shifts tones too, 240 by 12."""
    flat = np.full((48, 48, 3), level * 257, np.uint16)
    result = upscaler_for(device="cpu", precision="fp32").upscale_array(flat, factor) / 257
    inner = result[RADIUS * factor : -RADIUS * factor, RADIUS * factor : -RADIUS * factor] - level
    print(f"x{factor}, {level}: {inner.min(axis=(0, 1)).round(1)} to {inner.max(axis=(0, 1)).round(1)}")
    assert np.abs(inner.mean(axis=(0, 1))).max() <= 6, "shifted"
    assert np.ptp(inner.mean(axis=(0, 1))) <= 3, "coloured"
    assert np.ptp(inner, axis=(0, 1)).max() <= 3, "patterned"


@pytest.mark.parametrize("factor", FACTORS)
def test_noise_becomes_less_and_edges_stay(upscaler_for, factor):
    clean = np.full((64, 64, 3), 96, np.uint8)
    clean[:, 32:] = 160
    noisy = (clean + np.random.default_rng(5).normal(0, 8, clean.shape)).clip(0, 255).astype(np.uint8)
    result = upscaler_for(device="cpu").upscale_array(noisy, factor).astype(float)
    left, right = result[:, : 24 * factor], result[:, 40 * factor :]
    assert max(left.std(axis=(0, 1)).max(), right.std(axis=(0, 1)).max()) < 4
    # Most of the step lies within one input pixel, where interpolation makes half of it.
    across = result.mean(axis=(0, 2))
    half = factor // 2
    assert across[32 * factor + half] - across[32 * factor - half - 1] > 0.7 * (right.mean() - left.mean())
