"""Colour spaces: PNG chunks and grey profiles keep their meaning in every format."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from support.picture_files import SRGB_PROFILE, opened, photo_image, rendered, saved, smooth, srgb_encoded, with_chunks
from tilewright.codecs.colour import rgb_profile_from_grey
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import EncodeOptions, check_encodable
from tilewright.errors import EncodeError
from tilewright.literals import FILE_FORMATS
from tilewright.picture import Picture

D65 = (31270, 32900)
SRGB_CHROMATICITIES = struct.pack(">8I", *D65, 64000, 33000, 30000, 60000, 15000, 6000)
P3_CHROMATICITIES = struct.pack(">8I", *D65, 68000, 32000, 26500, 69000, 15000, 6000)


def gamma(value):
    """Returns the chunk gAMA."""
    return (b"gAMA", struct.pack(">I", value))


def p3_to_srgb(linear):
    """Converts linear Display P3 to linear sRGB by the matrices of CSS Color 4, section 18."""
    to_xyz = [[608311 / 1250200, 189793 / 714400, 198249 / 1000160],
              [35783 / 156275, 247089 / 357200, 198249 / 2500400],
              [0, 32229 / 714400, 5220557 / 5000800]]  # fmt: skip
    from_xyz = [[12831 / 3959, -329 / 214, -1974 / 3959], [-851781 / 878810, 1648619 / 878810, 36519 / 878810],
                [705 / 12673, -2585 / 12673, 705 / 667]]  # fmt: skip
    return linear @ np.transpose(to_xyz) @ np.transpose(from_xyz)


@pytest.mark.parametrize("target", FILE_FORMATS)
@pytest.mark.parametrize("value", [100_000, 65_000, 35_000])
@pytest.mark.parametrize("grey", [False, True])
def test_gamma_keeps_its_meaning_in_every_format(target, value, grey):
    image = photo_image(48, 64).convert("L") if grey else photo_image(48, 64)
    picture = decode(with_chunks(saved(image, "PNG"), gamma(value)))
    assert np.array_equal(picture.pixels.squeeze(), np.asarray(image))
    light = (np.asarray(image.convert("RGB")) / 255) ** (100_000 / value)
    result = rendered(encode(picture, target, EncodeOptions(quality=100, lossless=True)))
    # A gamma of 1 amplifies the errors of JPG in dark areas tenfold.
    assert np.abs(result - srgb_encoded(light)).mean() < (4 if target == "JPG" else 0.8)


@pytest.mark.parametrize("target", FILE_FORMATS)
def test_chromaticities_keep_their_meaning_in_every_format(target):
    image = photo_image(48, 64)
    picture = decode(with_chunks(saved(image, "PNG"), gamma(45_455), (b"cHRM", P3_CHROMATICITIES)))
    light = p3_to_srgb((np.asarray(image) / 255) ** 2.2)
    result = rendered(encode(picture, target, EncodeOptions(quality=100, lossless=True)))
    assert np.abs(result - srgb_encoded(light)).mean() < 1.5
    assert np.abs(result - np.asarray(image)).mean() > 2  # the conversion is visible


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [gamma(45_455)],
        [gamma(45_455), (b"cHRM", SRGB_CHROMATICITIES)],
        [(b"cHRM", SRGB_CHROMATICITIES)],
        [(b"sRGB", b"\0"), gamma(100_000)],
        [(b"cICP", bytes([1, 13, 0, 1])), gamma(100_000)],
        [gamma(0)],
        [(b"cHRM", bytes(32))],
        [(b"gAMA", b"short")],
    ],
)
def test_srgb_and_invalid_chunks_give_no_profile(chunks):
    picture = decode(with_chunks(saved(photo_image(), "PNG"), *chunks))
    assert (picture.icc, picture.cicp) == (None, None)


# Whites to which one kind of cone hardly responds, so that an adaptation to D50 has huge numbers, and
# whites and primaries at the edge of what the chunk can say.
@pytest.mark.parametrize(
    "start", [(3886, 28131), (67082, 29292), (14468, 80709), (99998, 1), (1, 1), (1, 99998), (*D65, 1, 1), (*D65, 9, 9)]
)
def test_absurd_chromaticities_give_a_picture_in_every_format(start):
    chunk = struct.pack(">8I", *start, *struct.unpack(">8I", SRGB_CHROMATICITIES)[len(start) :])
    picture = decode(with_chunks(saved(photo_image(), "PNG"), (b"cHRM", chunk)))
    if len(start) == 2:
        assert picture.icc is None
    for target in FILE_FORMATS:
        assert opened(encode(picture, target)).size == (40, 24)


def test_the_widest_colour_space_in_use_is_not_absurd():
    prophoto = struct.pack(">8I", 34570, 35850, 73470, 26530, 15960, 84040, 3660, 10)
    assert decode(with_chunks(saved(photo_image(), "PNG"), (b"cHRM", prophoto))).icc is not None


def test_damaged_chunk_is_ignored():
    data = bytearray(with_chunks(saved(photo_image(), "PNG"), gamma(100_000)))
    data[33 + 8] ^= 1
    assert decode(bytes(data)).icc is None


def test_precedence_of_colour_chunks():
    plain = saved(photo_image(), "PNG", icc_profile=SRGB_PROFILE)
    assert decode(with_chunks(plain, gamma(100_000))).icc == SRGB_PROFILE
    assert decode(with_chunks(plain, (b"cICP", bytes([12, 13, 0, 1])))).icc not in (None, SRGB_PROFILE)
    assert decode(with_chunks(plain, (b"cICP", bytes([1, 13, 0, 1])))).icc is None


@pytest.mark.parametrize("target", FILE_FORMATS)
def test_cicp_becomes_a_profile(target):
    image = photo_image(48, 64)
    picture = decode(with_chunks(saved(image, "PNG"), (b"cICP", bytes([12, 13, 0, 1]))))
    samples = np.asarray(image) / 255
    light = np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)
    result = rendered(encode(picture, target, EncodeOptions(quality=100, lossless=True)))
    assert np.abs(result - srgb_encoded(p3_to_srgb(light))).mean() < 1.5


@pytest.mark.parametrize("code_points", [(9, 16, 0, 1), (9, 18, 0, 1), (1, 13, 0, 0), (200, 13, 0, 1)])
def test_cicp_without_a_profile_stays_in_png_and_is_refused_elsewhere(code_points):
    picture = decode(with_chunks(saved(photo_image(), "PNG"), (b"cICP", bytes(code_points))))
    assert picture.cicp == bytes(code_points)
    assert decode(encode(picture, "PNG")).cicp == bytes(code_points)
    for file_format in ("JPG", "WEBP"):
        with pytest.raises(EncodeError, match=r"cICP .* choose PNG") as caught:
            check_encodable(picture, 1, 1, file_format)
        assert caught.value.allowed_values == ["PNG"]
        with pytest.raises(EncodeError, match="cICP"):
            encode(picture, file_format)


def soft_photo():
    """Returns a photograph that lossy codecs preserve well."""
    return photo_image().resize((160, 96), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("target", FILE_FORMATS)
@pytest.mark.parametrize("source", FILE_FORMATS)
def test_profile_that_swaps_red_and_green_is_applied(source, target):
    """Red and green are swapped in the pixels, and swapped back by the profile."""
    profile = bytearray(SRGB_PROFILE)
    tags = struct.unpack_from(">I", profile, 128)[0]
    for tag in range(tags):
        name = profile[132 + 12 * tag : 136 + 12 * tag]
        swapped = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(bytes(name))
        if swapped:
            profile[132 + 12 * tag : 136 + 12 * tag] = swapped
    original = np.asarray(soft_photo())
    data = saved(Image.fromarray(original[:, :, [1, 0, 2]]), source, quality=99, icc_profile=bytes(profile))
    result = rendered(encode(decode(data), target, EncodeOptions(quality=99)))
    assert np.abs(result - original).mean() < 2.5
    assert np.abs(result - original[:, :, [1, 0, 2]]).mean() > 10


def linear_grey_profile():
    """Returns a profile for grey samples proportional to light (an empty tone curve)."""

    def s15(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    d50 = s15(0.9642, 1.0, 0.8249)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"g\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + d50,
        b"kTRC": b"curv" + bytes(8),
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + d50
    return header.ljust(128, b"\0") + table + body


LINEAR_GREY = linear_grey_profile()


def in_srgb(image):
    """Returns the sRGB pixels of an image with a profile, by LittleCMS without optimisation."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    target = ImageCms.createProfile("sRGB")
    exact = ImageCms.Flags.NOOPTIMIZE
    rendered = ImageCms.profileToProfile(image.convert("RGB"), source, target, outputMode="RGB", flags=exact)
    return np.asarray(rendered).astype(float)


@pytest.mark.parametrize("with_alpha", [False, True])
def test_grey_with_a_profile_becomes_equivalent_rgb_in_webp_and_stays_grey_elsewhere(with_alpha):
    light = np.repeat(np.arange(0, 256, 8, dtype=np.uint8), 64).reshape(32, 64, 1)
    alpha = np.full((32, 64), 200, np.uint8) if with_alpha else None
    picture = Picture(light, alpha, LINEAR_GREY)
    image = opened(encode(picture, "WEBP", EncodeOptions(lossless=True)))
    assert np.array_equal(np.asarray(image)[:, :, :3], np.broadcast_to(light, (32, 64, 3)))
    assert np.abs(in_srgb(image) - srgb_encoded(light / 255)).max() <= 1
    assert (image.mode == "RGBA") == with_alpha
    for file_format in ("PNG", "JPG"):
        assert opened(encode(picture, file_format)).info["icc_profile"] == LINEAR_GREY
        assert decode(encode(picture, file_format)).icc == LINEAR_GREY


def test_grey_with_a_lab_profile_becomes_srgb_in_webp():
    profile = LINEAR_GREY[:20] + b"Lab " + LINEAR_GREY[24:]
    image = opened(encode(Picture(smooth(32, 32, 1), None, profile), "WEBP"))
    assert (image.mode, image.info.get("icc_profile")) == ("RGB", None)


def test_grey_profile_without_a_curve_gives_no_rgb_profile():
    at = LINEAR_GREY.index(b"kTRC")
    for profile in (b"", LINEAR_GREY[:100], LINEAR_GREY[:140], LINEAR_GREY.replace(b"kTRC", b"kTRX"), SRGB_PROFILE):
        assert rgb_profile_from_grey(profile) is None
    assert rgb_profile_from_grey(LINEAR_GREY[: at + 4] + b"\xff" * 8 + LINEAR_GREY[at + 12 :]) is None
