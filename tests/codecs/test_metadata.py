"""What comes along beside pixels: colour space, resolution, Exif and XMP, in all three formats."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tilewright.codecs.decode import decode
from tilewright.codecs.encode import check_colour_space, encode, png_writer
from tilewright.codecs.in_memory import picture_from_pillow
from tilewright.codecs.metadata import kept_xmp
from tilewright.codecs.png_chunks import chunk
from tilewright.errors import EncodeError
from tilewright.literals import FORMATS
from tilewright.picture import Picture
from tilewright.testing import make_picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PILLOW_NAMES = {"PNG": "PNG", "JPG": "JPEG", "WEBP": "WEBP"}

XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
  xmlns:xmpGImg="http://ns.adobe.com/xap/1.0/g/img/" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:exif="http://ns.adobe.com/exif/1.0/" tiff:Orientation="6" tiff:Make="Maker" xmp:Rating="4">
  <tiff:ImageWidth>640</tiff:ImageWidth><exif:PixelXDimension>640</exif:PixelXDimension>
  <dc:creator>Ada</dc:creator>
  <xmp:Thumbnails><rdf:Alt><rdf:li xmpGImg:width="9"><xmpGImg:image>/9j/THUMB</xmpGImg:image></rdf:li></rdf:Alt>
  </xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def saved(image, file_format, **options):
    file = io.BytesIO()
    image.save(file, PILLOW_NAMES.get(file_format, file_format), **options)
    return file.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def photo(height=24, width=40):
    return Image.fromarray(make_picture(height, width))


def soft_photo():
    """One that lossy codecs keep well."""
    return photo().resize((160, 96), Image.Resampling.BICUBIC)


def camera_exif(orientation=6):
    """Exif as a camera writes it: size, orientation, a maker's note, a place, and a thumbnail in a second directory."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x0100] = "Maker", orientation, 640
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 150.0, 2
    ours = exif.get_ifd(0x8769)
    ours[0x9003], ours[0xA002], ours[0xA003], ours[0x927C] = "2026:01:02 03:04:05", 640, 480, b"NOTE with PREVIEW"
    exif.get_ifd(0x8825)[1] = "N"
    data = bytearray(exif.tobytes())
    tiff = data[6:]
    # The offset of the second directory follows the entries of the first.
    first = struct.unpack_from(">I", tiff, 4)[0]
    link = first + 2 + 12 * struct.unpack_from(">H", tiff, first)[0]
    second = len(tiff)
    struct.pack_into(">I", tiff, link, second)
    at = second + 2 + 2 * 12 + 4
    tiff += struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, at, 0x0202, 4, 1, 9, 0) + b"THUMBNAIL"
    return b"Exif\0\0" + bytes(tiff)


def with_chunks(data, *chunks):
    """A PNG file with chunks put in after its header."""
    return data[:33] + b"".join(chunk(kind, body) for kind, body in chunks) + data[33:]


def rendered(data):
    """A file's pixels in sRGB, by its profile and LittleCMS, independent of how it was written."""
    image = opened(data)
    profile = image.info.get("icc_profile")
    if profile is None:
        return np.asarray(image.convert("RGB")).astype(float)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    colours = image if image.mode in ("L", "RGB") else image.convert("RGB")
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(colours, source, target, outputMode="RGB")).astype(float)


# --- orientation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_no_viewer_turns_the_result_again(source, target, orientation, keep):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(saved(photo(), source, exif=exif, lossless=True), keep_metadata=keep)
    image = opened(encode(picture, target, lossless=True))
    assert image.getexif().get(0x0112, 1) == 1
    assert image.size == ((40, 24) if orientation < 5 else (24, 40))


# --- Exif and XMP -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_metadata_is_left_out_unless_it_is_to_be_kept(source, target):
    data = saved(photo(), source, exif=camera_exif(), xmp=XMP)
    assert b"Maker" in data
    result = encode(decode(data), target)
    for trace in (b"Maker", b"2026", b"PREVIEW", b"THUMB", b"xmpmeta", b"Ada"):
        assert trace not in result


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_metadata_that_is_kept_says_nothing_stale(source, target):
    if source == "PNG":  # Pillow writes XMP into PNG files in another way than the other formats
        data = with_chunks(
            saved(photo(), "PNG"),
            (b"eXIf", camera_exif()[6:]),
            (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP),
        )
    else:
        data = saved(photo(), source, exif=camera_exif(), xmp=XMP)
    picture = decode(data, keep_metadata=True)
    result = encode(picture, target)
    image = opened(result)
    exif = image.getexif()
    ours = exif.get_ifd(0x8769)
    assert (exif[0x010F], ours[0x9003], exif.get_ifd(0x8825)[1]) == ("Maker", "2026:01:02 03:04:05", "N")
    assert exif.get(0x0112, 1) == 1
    assert exif.get(0x0100, image.width) == image.width
    assert ours.get(0xA002, image.width) == image.width
    assert ours.get(0xA003, image.height) == image.height
    assert not exif.get_ifd(1)
    packet = image.info["xmp"] if target != "PNG" else image.info["XML:com.adobe.xmp"].encode()
    for kept in (b"Ada", b"tiff:Make=", b"xmp:Rating="):
        assert kept in packet
    for stale in (b"NOTE", b"PREVIEW", b"THUMB", b"Orientation=", b"ImageWidth>", b"PixelXDimension>"):
        assert stale not in result


def test_a_pillow_image_is_treated_like_its_file():
    data = saved(photo(), "JPG", exif=camera_exif(), xmp=XMP, dpi=(200, 100))
    for keep in (False, True):
        of_file, of_image = decode(data, keep_metadata=keep), picture_from_pillow(opened(data), keep_metadata=keep)
        assert (of_file.exif, of_file.xmp, of_file.dpi) == (of_image.exif, of_image.xmp, of_image.dpi)
        assert (of_file.exif is not None) == keep
        assert of_file.dpi == (100, 200)


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize("xmp", [b"", b"<x", b"\xff\xfe\0", BOMB, b"<x/>" + bytes(2**20), b"<a>" * 5000])
@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_broken_metadata_costs_nothing_but_itself(exif, xmp):
    data = with_chunks(
        saved(photo(), "PNG"), (b"eXIf", exif), (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp.replace(b"\0", b" "))
    )
    picture = decode(data, keep_metadata=True)
    assert np.array_equal(picture.pixels, np.asarray(photo()))
    assert picture.exif is None
    for file_format in FORMATS:
        assert opened(encode(picture, file_format)).size == (40, 24)


# --- resolution -------------------------------------------------------------------------------------------------------


def resolution_of(data):
    image = opened(data)
    exif = image.getexif()
    if image.format == "WEBP":
        return (float(exif[0x011A]), float(exif[0x011B])) if 0x011A in exif else None
    return image.info.get("dpi")


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", [*FORMATS, "JPG by Exif"])
def test_the_resolution_grows_with_the_picture(source, target):
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 150.0, 2
    if source in ("PNG", "JPG"):
        data = saved(photo(), source, dpi=(300, 150))
    else:
        data = saved(photo(), source[:4].strip(), exif=exif)
    picture = decode(data)
    assert picture.dpi == pytest.approx((300, 150), abs=0.1)
    larger = picture.enlarged(np.repeat(np.repeat(picture.pixels, 3, 0), 3, 1), None)
    assert resolution_of(encode(larger, target)) == pytest.approx((900, 450), abs=0.1)


def test_the_resolution_of_rows_to_come_is_that_of_the_larger_picture():
    file = io.BytesIO()
    picture = decode(saved(photo(), "PNG", dpi=(100, 50)))
    with png_writer(file, picture, picture.width * 2, picture.height * 2) as writer:
        writer.write(np.repeat(np.repeat(picture.pixels, 2, 0), 2, 1))
        writer.finish()
    assert resolution_of(file.getvalue()) == pytest.approx((200, 100), abs=0.1)


def test_the_resolution_turns_with_the_picture():
    assert decode(saved(photo(), "JPG", exif=camera_exif(6))).dpi == (150, 300)
    assert decode(saved(photo(), "JPG", exif=camera_exif(3))).dpi == (300, 150)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_an_unknown_resolution_stays_unknown(source, target):
    picture = decode(saved(photo(), source))
    assert picture.dpi is None
    data = encode(picture, target)
    assert "dpi" not in opened(data).info
    assert not opened(data).getexif()


def test_ratios_without_a_unit_and_nonsense_are_no_resolution():
    data = saved(photo(), "JPG")
    assert data[6:14] == b"JFIF\0\1\1\0"  # unit 0
    assert decode(data).dpi is None
    plain = saved(photo(), "PNG")
    for body in (struct.pack(">IIB", 3, 2, 0), struct.pack(">IIB", 0, 0, 1), b"short"):
        assert decode(with_chunks(plain, (b"pHYs", body))).dpi is None
    for values in ((0.0, 0.0), (300.0, None)):
        exif = Image.Exif()
        exif.update({tag: value for tag, value in zip((0x011A, 0x011B), values, strict=True) if value is not None})
        assert decode(saved(photo(), "WEBP", exif=exif)).dpi is None


# --- colour spaces of PNG files ---------------------------------------------------------------------------------------

D65 = (31270, 32900)
SRGB_CHROMATICITIES = struct.pack(">8I", *D65, 64000, 33000, 30000, 60000, 15000, 6000)
P3_CHROMATICITIES = struct.pack(">8I", *D65, 68000, 32000, 26500, 69000, 15000, 6000)


def gamma(value):
    return (b"gAMA", struct.pack(">I", value))


def srgb_encoded(linear):
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def p3_to_srgb(linear):
    """SMPTE EG 432-1 primaries with D65 to those of sRGB: matrices from CSS Color 4, section 18."""
    to_xyz = [[608311 / 1250200, 189793 / 714400, 198249 / 1000160],
              [35783 / 156275, 247089 / 357200, 198249 / 2500400],
              [0, 32229 / 714400, 5220557 / 5000800]]  # fmt: skip
    from_xyz = [[12831 / 3959, -329 / 214, -1974 / 3959], [-851781 / 878810, 1648619 / 878810, 36519 / 878810],
                [705 / 12673, -2585 / 12673, 705 / 667]]  # fmt: skip
    return linear @ np.transpose(to_xyz) @ np.transpose(from_xyz)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("value", [100_000, 65_000, 35_000])
@pytest.mark.parametrize("grey", [False, True])
def test_gamma_keeps_its_meaning_in_every_format(target, value, grey):
    image = photo(48, 64).convert("L") if grey else photo(48, 64)
    picture = decode(with_chunks(saved(image, "PNG"), gamma(value)))
    assert np.array_equal(picture.pixels.squeeze(), np.asarray(image))
    light = (np.asarray(image.convert("RGB")) / 255) ** (100_000 / value)
    result = rendered(encode(picture, target, 100, lossless=True))
    # JPG errs in the dark parts, which a gamma of 1 stretches tenfold.
    assert np.abs(result - srgb_encoded(light)).mean() < (4 if target == "JPG" else 0.8)


@pytest.mark.parametrize("target", FORMATS)
def test_chromaticities_keep_their_meaning_in_every_format(target):
    image = photo(48, 64)
    picture = decode(with_chunks(saved(image, "PNG"), gamma(45_455), (b"cHRM", P3_CHROMATICITIES)))
    light = p3_to_srgb((np.asarray(image) / 255) ** 2.2)
    result = rendered(encode(picture, target, 100, lossless=True))
    assert np.abs(result - srgb_encoded(light)).mean() < 1.5
    assert np.abs(result - np.asarray(image)).mean() > 2  # and it matters


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
def test_what_says_srgb_or_nothing_sensible_needs_no_profile(chunks):
    picture = decode(with_chunks(saved(photo(), "PNG"), *chunks))
    assert (picture.icc, picture.cicp) == (None, None)


def test_a_damaged_chunk_says_nothing():
    data = bytearray(with_chunks(saved(photo(), "PNG"), gamma(100_000)))
    data[33 + 8] ^= 1
    assert decode(bytes(data)).icc is None


def test_precedence_among_colour_chunks():
    plain = saved(photo(), "PNG", icc_profile=SRGB)
    assert decode(with_chunks(plain, gamma(100_000))).icc == SRGB
    assert decode(with_chunks(plain, (b"cICP", bytes([12, 13, 0, 1])))).icc not in (None, SRGB)
    assert decode(with_chunks(plain, (b"cICP", bytes([1, 13, 0, 1])))).icc is None


@pytest.mark.parametrize("target", FORMATS)
def test_a_colour_space_by_code_points_becomes_a_profile(target):
    image = photo(48, 64)
    picture = decode(with_chunks(saved(image, "PNG"), (b"cICP", bytes([12, 13, 0, 1]))))
    samples = np.asarray(image) / 255
    light = np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)
    result = rendered(encode(picture, target, 100, lossless=True))
    assert np.abs(result - srgb_encoded(p3_to_srgb(light))).mean() < 1.5


@pytest.mark.parametrize("code_points", [(9, 16, 0, 1), (9, 18, 0, 1), (1, 13, 0, 0), (200, 13, 0, 1)])
def test_a_colour_space_without_a_profile_stays_in_png_and_is_refused_elsewhere(code_points):
    picture = decode(with_chunks(saved(photo(), "PNG"), (b"cICP", bytes(code_points))))
    assert picture.cicp == bytes(code_points)
    assert decode(encode(picture, "PNG")).cicp == bytes(code_points)
    for file_format in ("JPG", "WEBP"):
        with pytest.raises(EncodeError, match=r"cICP .* choose PNG") as caught:
            check_colour_space(picture, file_format)
        assert caught.value.allowed_values == ["PNG"]
        with pytest.raises(EncodeError, match="cICP"):
            encode(picture, file_format)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_swapped_channels_come_out_right_where_a_profile_swaps_them_back(source, target):
    """Red and green change places in the pixels and in the profile: right colours only if the profile comes along."""
    profile = bytearray(SRGB)
    tags = struct.unpack_from(">I", profile, 128)[0]
    for tag in range(tags):
        name = profile[132 + 12 * tag : 136 + 12 * tag]
        other = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(bytes(name))
        if other:
            profile[132 + 12 * tag : 136 + 12 * tag] = other
    upright = np.asarray(soft_photo())
    data = saved(Image.fromarray(upright[:, :, [1, 0, 2]]), source, quality=99, icc_profile=bytes(profile))
    result = rendered(encode(decode(data), target, 99))
    assert np.abs(result - upright).mean() < 2.5
    assert np.abs(result - upright[:, :, [1, 0, 2]]).mean() > 10


# --- options of the encoders ------------------------------------------------------------------------------------------


def test_lossless_webp_loses_nothing_under_transparency_either():
    pixels, alpha = make_picture(40, 50), np.zeros((40, 50), np.uint8)
    alpha[:, 25:] = 255
    image = opened(encode(Picture(pixels, alpha), "WEBP", 20, lossless=True))
    assert np.array_equal(np.asarray(image), np.dstack([pixels, alpha]))


@pytest.mark.parametrize("quality", [50, 95])
def test_a_progressive_jpeg_has_the_pixels_of_a_plain_one(quality):
    plain, progressive = (
        encode(Picture(make_picture(60, 80)), "JPG", quality, progressive=choice) for choice in (False, True)
    )
    assert b"\xff\xc0" in plain
    assert b"\xff\xc2" in progressive
    assert np.array_equal(np.asarray(opened(plain)), np.asarray(opened(progressive)))


def test_xmp_of_elements_in_elements_in_elements_is_left_out():
    """Its tree would be walked deeper than Python goes."""
    depth = 5000
    assert kept_xmp(b"<a>" * depth + b"</a>" * depth) is None
