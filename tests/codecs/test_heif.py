"""AVIF and HEIC files as input. Pillow writes AVIF of 8 bits, libvips of 10 and 12."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from support.picture_files import SRGB_PROFILE, avif, noise, opened, photo_image, saved, smooth
from tilewright.codecs.decode import decode, sniff
from tilewright.codecs.libvips import vips
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import InputLimits


def pillow_avif(image, **options):
    return saved(image, "AVIF", quality=100, subsampling="4:4:4", **options)


pytestmark = [
    pytest.mark.skipif("AVIF" not in Image.registered_extensions().values(), reason="Pillow has no AVIF"),
    pytest.mark.skipif(not vips().type_find("VipsOperation", "heifload_buffer"), reason="libvips has no libheif"),
]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pixels_equal_those_of_pillow(mode):
    data = pillow_avif(Image.fromarray(smooth(40, 50, 4 if mode == "RGBA" else 3)).convert(mode))
    picture = decode(data)
    expected = np.asarray(opened(data).convert("RGBA"))
    np.testing.assert_allclose(picture.pixels, expected[:, :, :3], atol=2)
    assert (picture.alpha is None) == (mode != "RGBA")
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, expected[:, :, 3])
    assert (picture.pixels.dtype, picture.source_format) == (np.uint8, "AVIF")
    if mode == "L":
        assert (np.ptp(picture.pixels, axis=2) == 0).all()


@pytest.mark.parametrize("bits", [10, 12])
def test_more_than_8_bits_become_the_full_range_of_16(bits):
    samples = noise(9, 14, 3, dtype=np.uint16)
    samples[0, :2] = [[0], [65535]]
    picture = decode(avif(samples, bitdepth=bits))
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_allclose(picture.pixels, samples.astype(int), atol=65535 / 2**bits + 1)
    np.testing.assert_array_equal(picture.pixels[0, :2], [[0] * 3, [65535] * 3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = pillow_avif(Image.fromarray(smooth(24, 40)), exif=exif)
    found = decode(data).pixels
    assert found.shape[:2] == ((24, 40) if orientation < 5 else (40, 24))
    expected = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # numbers of Image.Transpose
    upright = Image.fromarray(smooth(24, 40))
    upright = upright if expected is None else upright.transpose(Image.Transpose(expected))
    np.testing.assert_allclose(found, np.asarray(upright), atol=4)


def test_profile_is_kept():
    assert decode(pillow_avif(photo_image(), icc_profile=SRGB_PROFILE)).icc == SRGB_PROFILE
    assert decode(pillow_avif(photo_image())).icc is None


@pytest.mark.parametrize(("code_points", "kind"), [((1, 13), "srgb"), ((12, 13), "profile"), ((9, 16), "cicp")])
def test_colour_space_by_code_points_is_kept(code_points, kind):
    data = avif(smooth(16, 16))
    at = data.index(b"colrnclx") + 8
    data = data[:at] + b"".join(value.to_bytes(2, "big") for value in code_points) + data[at + 4 :]
    picture = decode(data)
    assert (picture.icc is not None) == (kind == "profile")
    assert picture.cicp == (bytes((9, 16, 0, 1)) if kind == "cicp" else None)


def test_exif_is_kept_on_request():
    exif = Image.Exif()
    exif[0x010F], exif[0x011A], exif[0x011B], exif[0x0128] = "maker", 300.0, 300.0, 2
    data = pillow_avif(photo_image(), exif=exif)
    assert decode(data).exif is None
    assert decode(data).dpi == (300, 300)
    assert b"maker" in decode(data, keep_metadata=True).exif


def test_animation_is_refused():
    data = pillow_avif(photo_image(), save_all=True, append_images=[photo_image().rotate(180)])
    with pytest.raises(DecodeError, match="AVIF file is an animation, which is not supported; convert it to APNG or"):
        decode(data)


def test_further_pictures_are_left_out_and_named():
    samples = smooth(128, 64)
    picture = decode(avif(samples, page_height=64))
    assert decode(avif(samples)).height == 128
    np.testing.assert_allclose(picture.pixels, samples[:64], atol=4)
    assert picture.left_out.content == ("1 further picture",)


def test_heic_without_a_decoder_is_refused_with_advice():
    data = avif(smooth(16, 16))
    for before, after in ((b"av01", b"hvc1"), (b"av1C", b"hvcC"), (b"avif", b"heic")):
        data = data.replace(before, after)
    assert sniff(data) == "HEIC"
    with pytest.raises(DecodeError, match=r"no HEVC decoder.*; convert it to JPG, PNG or AVIF"):
        decode(data)


def test_truncated_files_are_refused():
    data = pillow_avif(photo_image())
    for length in range(16, len(data) - 1, len(data) // 12):
        with pytest.raises(DecodeError, match="AVIF file is corrupt or cut short"):
            decode(data[:length])


def test_pixel_limit_is_checked():
    with pytest.raises(ImageTooLargeError, match="40 x 24"):
        decode(pillow_avif(photo_image()), limits=InputLimits(pixels=900))
