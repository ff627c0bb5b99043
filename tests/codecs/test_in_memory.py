"""Pictures from NumPy arrays and Pillow images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from support.picture_files import SRGB_PROFILE, noise, saved, smooth
from tilewright.codecs.in_memory import picture_from_array, picture_from_pillow
from tilewright.errors import DecodeError


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.zeros((4, 4), np.float32), "float32"),
        (np.zeros((4, 4), np.int16), "int16"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((4, 4), np.uint32), "uint32"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((3, 4, 5), np.uint8), r"\(3, 4, 5\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"\(1, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_array_that_is_not_a_picture_is_refused(array, hint):
    with pytest.raises(DecodeError, match=hint):
        picture_from_array(array)


def test_arrays_of_any_layout_become_contiguous_and_native():
    array = noise(6, 8, 4, dtype=np.uint16)
    for variant in (array.astype(">u2"), np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2]):
        picture = picture_from_array(variant)
        assert picture.pixels.dtype == np.uint16
        assert picture.pixels.dtype.isnative
        assert picture.pixels.flags.c_contiguous
        assert np.array_equal(np.dstack([picture.pixels, picture.alpha]), array)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr", "HSV"])
def test_pillow_modes(mode):
    source = Image.fromarray(smooth(6, 8, 4 if "A" in mode or "a" in mode else 3))
    image = source.convert("LA").convert(mode) if mode in ("La", "PA") else source.convert(mode)
    picture = picture_from_pillow(image)
    expected = np.asarray((image.convert("LA") if mode == "La" else image).convert("RGBA"))
    grey = mode in ("1", "L", "LA", "La")
    assert picture.pixels.shape == (6, 8, 1 if grey else 3)
    assert np.array_equal(np.broadcast_to(picture.pixels, (6, 8, 3)), expected[:, :, :3])
    assert (picture.alpha is not None) == (mode[-1] in "aA")
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha, expected[:, :, 3])


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_16_bit_pillow_image_keeps_16_bits(mode):
    samples = noise(3, 4, dtype=np.uint16)
    image = Image.frombytes(mode, (4, 3), samples.astype(">u2" if mode[-1] == "B" else "<u2").tobytes())
    assert np.array_equal(picture_from_pillow(image).pixels[:, :, 0], samples)
    image.info["transparency"] = int(samples[1, 2])
    assert np.array_equal(picture_from_pillow(image).alpha == 0, samples == samples[1, 2])


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pillow_modes_without_a_white_are_not_told_to_convert(mode):
    """Image.convert() clips values above 255."""
    with pytest.raises(
        DecodeError, match=r"pass np.asarray\(image\) instead, scaled to uint8 with white 255"
    ) as caught:
        picture_from_pillow(Image.new(mode, (2, 2)))
    assert repr(mode) in caught.value.message
    assert "convert" not in caught.value.message


def test_pillow_lab_becomes_srgb():
    source = Image.fromarray(smooth(6, 8))
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    lab = ImageCms.profileToProfile(source, *profiles, outputMode="LAB")
    np.testing.assert_allclose(picture_from_pillow(lab).pixels, smooth(6, 8), atol=8)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32])
def test_arrays_of_other_types_are_told_to_scale_before_they_convert(dtype):
    with pytest.raises(DecodeError, match="scale it so that white is 255 and convert it to uint8, or 65535 and uint16"):
        picture_from_array(np.ones((4, 4), dtype))


def test_pillow_keeps_profile_and_palette_transparency():
    image = Image.fromarray(smooth(6, 8))
    image.info["icc_profile"] = SRGB_PROFILE
    assert picture_from_pillow(image).icc == SRGB_PROFILE
    palette = Image.new("P", (2, 1))
    palette.putdata([0, 1])
    palette.info["transparency"] = 1
    assert picture_from_pillow(palette).alpha.tolist() == [[255, 0]]


def test_pillow_image_of_a_truncated_file_is_refused():
    data = saved(Image.fromarray(noise(64, 64, 3)), "PNG")
    with pytest.raises(DecodeError, match="cannot be read"):
        picture_from_pillow(Image.open(io.BytesIO(data[: len(data) // 2])))
