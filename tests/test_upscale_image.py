"""Pillow images in, Pillow images out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilewright
from support.fake_networks import with_fake_networks
from support.picture_files import SRGB_PROFILE, noise, opened, saved
from tilewright import Upscaler
from tilewright.errors import DecodeError, EncodeError, ImageTooLargeError, TilewrightError
from tilewright.testing import make_picture


@pytest.fixture
def repeater():
    """An Upscaler whose network repeats pixels."""
    return with_fake_networks(Upscaler(device="cpu", store="memory://images"))


def repeated(image):
    samples = np.asarray(image)
    return samples.repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize(
    ("mode", "result_mode"),
    [
        ("1", "L"), ("L", "L"), ("LA", "LA"), ("La", "LA"), ("P", "RGB"), ("PA", "RGBA"), ("RGB", "RGB"),
        ("RGBA", "RGBA"), ("RGBa", "RGBA"), ("RGBX", "RGB"), ("YCbCr", "RGB"), ("HSV", "RGB"), ("CMYK", "RGB"),
    ],
)  # fmt: skip
def test_modes(repeater, mode, result_mode):
    source = Image.fromarray(make_picture(6, 8, 4 if "A" in mode or "a" in mode else 3))
    image = source.convert("LA").convert(mode) if mode in ("La", "PA") else source.convert(mode)
    result = repeater.upscale_image(image, 2)
    assert (result.mode, result.size) == (result_mode, (16, 12))
    image = image.convert("LA") if mode == "La" else image
    shown, expected = (np.asarray(each.convert("RGBA" if "A" in result_mode else "RGB")) for each in (result, image))
    visible = expected[:, :, 3:] > 0 if "A" in result_mode else True
    np.testing.assert_allclose(np.where(visible, shown[::2, ::2], 0), np.where(visible, expected, 0), atol=1)
    result.save(io.BytesIO(), "PNG")


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_16_bits_of_grey_are_kept(repeater, mode):
    samples = noise(3, 4, dtype=np.uint16)
    image = Image.frombytes(mode, (4, 3), samples.astype(">u2" if mode[-1] == "B" else "<u2").tobytes())
    result = repeater.upscale_image(image, 2)
    assert result.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(result), repeated(samples))
    image.info["transparency"] = 7
    with pytest.raises(EncodeError, match="no mode for LA with 16 bits; use upscale_array or upscale_file"):
        repeater.upscale_image(image, 2, on_progress=lambda _: pytest.fail("it is known before any work"))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_modes_without_a_white_are_refused(repeater, mode):
    with pytest.raises(DecodeError, match="does not say which value is white"):
        repeater.upscale_image(Image.new(mode, (4, 4)), 2)


def test_palette_with_transparency(repeater):
    palette = Image.new("P", (2, 1))
    palette.putdata([0, 1])
    palette.info["transparency"] = 1
    result = repeater.upscale_image(palette, 2)
    assert result.mode == "RGBA"
    assert np.asarray(result)[0, :, 3].tolist() == [255, 255, 0, 0]


def test_profile_and_resolution_are_kept_and_other_metadata_is_not(repeater):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    data = saved(Image.fromarray(make_picture(6, 8)), "JPG", icc_profile=SRGB_PROFILE, dpi=(200, 100), exif=exif)
    result = repeater.upscale_image(opened(data), 2)
    assert result.info == {"icc_profile": SRGB_PROFILE, "dpi": (400, 200)}
    assert not result.getexif()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_result_is_upright_and_says_so(repeater, orientation, monkeypatch):
    monkeypatch.setattr(repeater, "settings", tilewright.Settings(keep_metadata=True))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    image = opened(saved(Image.fromarray(make_picture(6, 8)), "PNG", exif=exif))
    result = repeater.upscale_image(image, 2)
    turned = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    upright = image.transpose(turned[orientation]) if orientation in turned else image
    np.testing.assert_array_equal(np.asarray(result), repeated(upright))
    assert dict(result.getexif()) == {0x010F: "Maker"}
    again = opened(saved(result, "JPG", exif=result.info["exif"]))
    assert dict(again.getexif()) == {0x010F: "Maker"}


def test_other_values_are_refused_with_the_call_that_takes_them(repeater):
    for value, call in (
        ("a.png", "upscale_file"),
        (Path("a.png"), "upscale_file"),
        (make_picture(4, 4), "upscale_array"),
    ):
        with pytest.raises(TypeError, match=rf"image must be a Pillow image, not \w+; {call} takes"):
            repeater.upscale_image(value, 2)
    with pytest.raises(TilewrightError, match="give a factor or a size"):
        repeater.upscale_image(Image.new("L", (4, 4)))


def test_limits_apply(repeater, monkeypatch):
    monkeypatch.setattr(repeater, "settings", tilewright.Settings(max_input_pixels=10))
    with pytest.raises(ImageTooLargeError):
        repeater.upscale_image(Image.new("L", (4, 4)), 2)


def test_progress_report_size_and_model(upscaler):
    updates = []
    image = Image.fromarray(make_picture(24, 32))
    result = upscaler.upscale_image(image, size=(50, 50), model="realesr-animevideov3", on_progress=updates.append)
    assert result.size == (50, 38)
    assert updates[0].done == 0 < updates[-1].done == updates[-1].total
    assert upscaler.last_report.network.startswith("realesr-animevideov3")
    assert upscaler.last_report.seconds["decode"] > 0


def test_module_level_calls_use_the_shared_upscaler(monkeypatch, upscaler):
    monkeypatch.setattr("tilewright.default._upscaler.get", lambda: upscaler)
    image = Image.fromarray(make_picture(12, 16))
    expected = upscaler.upscale_array(np.asarray(image), 2)
    np.testing.assert_array_equal(np.asarray(tilewright.upscale_image(image, 2)), expected)
    np.testing.assert_array_equal(tilewright.upscale_array(np.asarray(image), 2), expected)
