"""Pictures to bytes: PNG, JPG, WEBP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs import reason, vips
from tilewright.codecs.colour import for_equal_channels
from tilewright.codecs.jpeg import with_jfif_resolution
from tilewright.codecs.png_chunks import ancillary_chunks
from tilewright.errors import EncodeError
from tilewright.literals import FORMATS, Format

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.codecs.png import PngWriter, Target
    from tilewright.literals import Compression
    from tilewright.picture import Animation, Picture, Pixels

_EXTENSIONS: dict[Format, str] = {"PNG": "png", "JPG": "jpg", "WEBP": "webp"}
_MEDIA_TYPES: dict[Format, str] = {"PNG": "image/png", "JPG": "image/jpeg", "WEBP": "image/webp"}

# Longest side that the encoders really write. PNG's limit, 2³¹ - 1, is ours too, though libvips reads 10⁸ at most.
# JPEG's header could say 65535, libjpeg stops at 65500; WEBP's own limit is 2¹⁴ - 1.
_LONGEST_SIDE: dict[Format, int] = {"PNG": 2**31 - 1, "JPG": 65_500, "WEBP": 16_383}

# Measured on three photographs that a network had enlarged to 1.3 to 3 megapixels, at quality 95, on two cores of an
# AMD EPYC (Zen 4), libvips 8.18. JPG: optimised Huffman tables save 2 to 3 % of the size and take 2.5 times as long,
# trellis quantisation 12 to 17 % for 13 times as long: neither is worth it beside a network. WEBP: effort 2 takes half
# of the time of the usual 4, for files 2 % larger and 0.2 to 0.3 dB less of 43 to 44.
_WEBP_EFFORT = 2

# From this quality up, colour keeps its full resolution (4:4:4).
_FULL_CHROMA_FROM = 90

_MM_PER_INCH = 25.4  # libvips counts pixels per millimetre


def extension(file_format: Format) -> str:
    """File name extension without a dot: ``"png"``, ``"jpg"``, ``"webp"``."""
    return _EXTENSIONS[file_format]


def media_type(file_format: Format) -> str:
    """Media type, such as ``"image/jpeg"``."""
    return _MEDIA_TYPES[file_format]


def check_format_limits(width: int, height: int, file_format: Format) -> None:
    """Ask before any work whether `file_format` can hold a picture of this many pixels a side.

    Raises:
        EncodeError: it cannot; the message gives both numbers and the formats that can.
    """
    longest = max(width, height)
    if longest > _LONGEST_SIDE[file_format]:
        able = [name for name in FORMATS if longest <= _LONGEST_SIDE[name]]
        advice = f"choose {' or '.join(able)}" if able else "choose a smaller upscaleFactor"
        raise EncodeError(
            f"outputFormat {file_format} holds at most {_LONGEST_SIDE[file_format]} pixels a side; "
            f"the result would be {width} x {height}: {advice}",
            parameter="outputFormat",
            allowed_values=able,
        )


def encode(
    picture: Picture,
    file_format: Format,
    quality: int = 95,
    *,
    compression: Compression = "fast",
    progressive: bool = False,
    lossless: bool = False,
) -> bytes:
    """Encode a picture.

    Colour space and resolution go into the file, and Exif and XMP where the picture has them. PNG keeps 16 bits and
    alpha, WEBP keeps alpha, for JPG, which has none, the picture is composited on white. WEBP knows no grey: a grey
    picture with a profile becomes RGB with one that says the same.

    Args:
        picture: what to write.
        file_format: ``"PNG"``, ``"JPG"`` or ``"WEBP"``.
        quality: 1 to 100, for JPG and WEBP.
        compression: how hard PNG tries, see `PngWriter`.
        progressive: whether JPG builds up from coarse to fine while it loads.
        lossless: whether WEBP keeps every pixel; `quality` has no meaning then.

    Raises:
        EncodeError: the format cannot hold the picture, or the encoder failed.
    """
    check_format_limits(picture.width, picture.height, file_format)
    check_colour_space(picture, file_format)
    if file_format == "PNG":
        return _encode_png(picture, compression)
    pixels, alpha = picture.pixels, picture.alpha
    if file_format == "JPG" and alpha is not None:
        pixels, alpha = on_white(pixels, alpha), None
    try:
        image = _vips_image(to_8_bit(pixels), None if alpha is None else to_8_bit(alpha), picture)
        if file_format == "JPG":
            return _jpg(image, picture, quality, progressive=progressive)
        return _webp(image, picture, quality, lossless=lossless)
    except vips().Error as error:
        raise EncodeError(f"the {file_format} encoder failed: {reason(error)}", code="internalServerError") from error


def _jpg(image: Any, picture: Picture, quality: int, *, progressive: bool) -> bytes:
    subsampling = "off" if quality >= _FULL_CHROMA_FROM else "on"
    data = bytes(
        image.jpegsave_buffer(keep=_kept(picture), Q=quality, subsample_mode=subsampling, interlace=progressive)
    )
    return data if picture.dpi is None else with_jfif_resolution(data, picture.dpi)


def _webp(image: Any, picture: Picture, quality: int, *, lossless: bool) -> bytes:
    keep = _kept(picture)
    if picture.dpi is not None:  # the format has no other place for it
        keep += "|exif"
    if image.interpretation == "b-w" and picture.icc is not None:
        image = _with_equal_channels(image, picture.icc)
    # Lossless, `exact` keeps colours under full transparency too.
    return bytes(image.webpsave_buffer(keep=keep, Q=quality, effort=_WEBP_EFFORT, lossless=lossless, exact=lossless))


def _with_equal_channels(image: Any, icc: bytes) -> Any:
    """RGB that looks as grey does through its profile."""
    profile = for_equal_channels(icc)
    if profile is None:
        image = image.icc_transform("srgb", embedded=True, black_point_compensation=True)
        image.remove("icc-profile-data")
        return image
    image = image.colourspace("srgb")
    image.set_type(vips().GValue.blob_type, "icc-profile-data", profile)
    return image


def _kept(picture: Picture) -> str:
    return "icc" + "|exif" * (picture.exif is not None) + "|xmp" * (picture.xmp is not None)


def check_colour_space(picture: Picture | Animation, file_format: Format) -> None:
    """Ask before any work whether `file_format` can say what the picture's colours mean.

    Raises:
        EncodeError: it cannot; the message names the formats that can.
    """
    if picture.cicp is not None and file_format != "PNG":
        raise EncodeError(
            f"the picture's colour space, cICP {'-'.join(map(str, picture.cicp))} of its PNG file, has no ICC profile, "
            f"so outputFormat {file_format} cannot tell it: choose PNG",
            parameter="outputFormat",
            allowed_values=["PNG"],
        )


def png_writer(
    target: Target,
    picture: Picture,
    width: int,
    height: int,
    *,
    compression: Compression = "fast",
    threads: int = 2,
) -> PngWriter:
    """A writer for rows of a picture like this one: the same channels and depth, and all that belongs to it.

    Args:
        target: takes the file.
        picture: whose kind the rows are of.
        width: of the rows, maybe more than the picture's own: the same paper then has a higher resolution.
        height: how many rows there will be.
        compression: see `PngWriter`.
        threads: likewise.
    """
    from tilewright.codecs.png import PngWriter  # here, so that `import tilewright` loads no codec

    channels = picture.pixels.shape[2] + (picture.alpha is not None)
    return PngWriter(
        target,
        width,
        height,
        channels,
        picture.pixels.dtype,
        ancillary=ancillary_chunks(picture, width, height),
        compression=compression,
        threads=threads,
    )


def _encode_png(picture: Picture, compression: Compression) -> bytes:
    file = io.BytesIO()
    with png_writer(file, picture, picture.width, picture.height, compression=compression) as writer:
        writer.write(picture.pixels, picture.alpha)
        writer.finish()
    return file.getvalue()


def _vips_image(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, picture: Picture) -> Any:
    """A libvips image over the arrays' own memory; the bands are joined while it is written."""
    # What Exif says where nobody knows better (tag 0x011A).
    across, down = picture.dpi or (72.0, 72.0)
    image = _vips_plane(pixels)
    image = image.copy(
        interpretation="srgb" if image.bands == 3 else "b-w", xres=across / _MM_PER_INCH, yres=down / _MM_PER_INCH
    )
    if alpha is not None:
        image = image.bandjoin(_vips_plane(alpha[:, :, None]))
    for name, data in (("icc-profile", picture.icc), ("exif", picture.exif), ("xmp", picture.xmp)):
        if data is not None:
            image.set_type(vips().GValue.blob_type, f"{name}-data", data)
    return image


def _vips_plane(pixels: NDArray[np.uint8]) -> Any:
    height, width, bands = pixels.shape
    return vips().Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, bands, "uchar")


def to_8_bit(values: Pixels) -> NDArray[np.uint8]:
    """Samples of 16 bits to the nearest of 8 bits (65535 becomes 255); 8-bit samples are returned as they are.

    v·255/65535 is v/257; half-way cases cannot occur, 257 being odd, and nothing leaves 16 bits.
    """
    if values.dtype == np.uint8:
        return values.view(np.uint8)
    return (values // 257 + (values % 257 > 128)).astype(np.uint8)


def on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Composite on white: ``white + (colour - white)·alpha``, rounded to nearest, in the picture's own depth.

    Args:
        pixels: ``[H, W, C]``.
        alpha: ``[H, W]`` of the same dtype.
    """
    white = np.iinfo(pixels.dtype).max
    # The largest intermediate, white² + white/2, fits twice the bits of a sample.
    wide: Any = np.uint16 if pixels.dtype == np.uint8 else np.uint32
    result = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], 256):  # bands, so that the wide intermediates stay small
        rows = slice(top, top + 256)
        opacity = alpha[rows, :, None].astype(wide)
        result[rows] = (pixels[rows].astype(wide) * opacity + white * (white - opacity) + white // 2) // white
    return result
