"""Encoding of pictures to PNG, JPG, WEBP and TIFF files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs import jpeg, tiff_tags, webp
from tilewright.codecs.carried import with_carried_metadata
from tilewright.codecs.colour import rgb_profile_from_grey
from tilewright.codecs.formats import DEFAULT_OPTIONS, EncodeOptions, check_encodable
from tilewright.codecs.iptc import as_photoshop
from tilewright.codecs.libvips import vips
from tilewright.codecs.metadata import add_resolution
from tilewright.codecs.png_chunks import ancillary_chunks
from tilewright.codecs.png_text import text_chunks
from tilewright.codecs.samples import composite_on_white, to_8_bit
from tilewright.errors import EncodeError

if TYPE_CHECKING:
    from tilewright.codecs.png import PngWriter, Target
    from tilewright.literals import FileFormat
    from tilewright.picture import Picture, Pixels

# Measured on three photographs that a network had enlarged to 1.3 to 3 megapixels, at quality 95,
# on two cores of an AMD EPYC (Zen 4), libvips 8.18.
# WEBP: effort 2 takes half the time of the default 4; files are 2 % larger and lose 0.2 to 0.3 dB
# of 43 to 44 dB.
# JPG: optimised Huffman tables save 2 to 3 % of the size at 2.5 times the time, trellis
# quantisation 12 to 17 % at 13 times the time. Neither is worth it, so both stay off.
# TIFF (one photograph of 8.7 megapixels, one run, on an Intel Xeon with AMX): LZW makes a file that
# is 10 % larger than Deflate's at 0.4 times the time, in 16 bits 20 % larger at 0.9 times the time.
_WEBP_EFFORT = 2

# Bytes of samples up to which offsets have 32 bits, which more programs read than BigTIFF's.
_MAX_TIFF_SAMPLES = 2**32 - 2**26

_MM_PER_INCH = 25.4

# Quality from which JPG keeps the full resolution of colour (4:4:4).
_FULL_CHROMA_QUALITY = 90


def encode(picture: Picture, file_format: FileFormat, options: EncodeOptions = DEFAULT_OPTIONS) -> bytes:
    """Encodes a picture.

    The file contains colour space and resolution, and the metadata that the picture has, see
    `tilewright.codecs.carried`.
    PNG and TIFF keep 16 bits and alpha. WEBP keeps alpha, at 8 bits. JPG has 8 bits and no alpha, so the
    picture is composited on white. WEBP has no greyscale, so a grey picture with a profile becomes
    RGB with an equivalent profile.

    Args:
        picture: Picture to encode.
        file_format: ``"PNG"``, ``"JPG"``, ``"WEBP"`` or ``"TIFF"``.
        options: Encoder options.

    Returns:
        The whole file.

    Raises:
        EncodeError: The format cannot hold the picture, or the encoder failed.
    """
    check_encodable(picture, picture.width, picture.height, file_format)
    if file_format == "PNG":
        return _encode_png(picture, options)
    picture = with_carried_metadata(picture, file_format, picture.width, picture.height)
    pixels, alpha = picture.pixels, picture.alpha
    if file_format == "JPG" and alpha is not None:
        pixels, alpha = composite_on_white(pixels, alpha), None
    if file_format != "TIFF":
        pixels, alpha = to_8_bit(pixels), None if alpha is None else to_8_bit(alpha)
    try:
        return _ENCODERS[file_format](_vips_image(pixels, alpha, picture), picture, options)
    except vips().Error as error:
        # libvips' own text may be about another picture: it has one list of messages per process.
        raise EncodeError(f"the {file_format} encoder failed", code="internalServerError") from error


def png_writer(
    target: Target, picture: Picture, width: int, height: int, options: EncodeOptions = DEFAULT_OPTIONS
) -> PngWriter:
    """Returns a PNG writer for rows with the channels, depth and metadata of a picture.

    Args:
        target: Receives the file.
        picture: Picture with the same channels, depth and metadata as the rows.
        width: Width of the file in pixels. It may differ from the picture's; the resolution is
            scaled so that the printed size stays the same.
        height: Height of the file in pixels.
        options: Encoder options; ``compression`` and ``threads`` are used.

    Raises:
        EncodeError: A size or an option out of range.
    """
    from tilewright.codecs.png import PngWriter  # loads isal

    picture = with_carried_metadata(picture, "PNG", width, height)
    channels = picture.pixels.shape[2] + (picture.alpha is not None)
    return PngWriter(
        target,
        width,
        height,
        channels,
        picture.pixels.dtype,
        ancillary=ancillary_chunks(picture, width, height) + text_chunks(picture.text),
        compression=options.compression,
        threads=options.threads,
    )


def _encode_png(picture: Picture, options: EncodeOptions) -> bytes:
    file = io.BytesIO()
    with png_writer(file, picture, picture.width, picture.height, options) as writer:
        writer.write(picture.pixels, picture.alpha)
        writer.finish()
    return file.getvalue()


def _encode_jpg(image: Any, picture: Picture, options: EncodeOptions) -> bytes:
    data = bytes(
        image.jpegsave_buffer(
            keep=_kept_metadata(picture),
            Q=options.quality,
            subsample_mode="off" if options.quality >= _FULL_CHROMA_QUALITY else "on",
            interlace=options.progressive,
        )
    )
    if picture.exif is not None and (exif := _exif_with_resolution(picture)) is not None:
        data = jpeg.add_exif(data, exif)
    return data if picture.dpi is None else jpeg.add_jfif_resolution(data, picture.dpi)


def _encode_webp(image: Any, picture: Picture, options: EncodeOptions) -> bytes:
    if image.interpretation == "b-w" and picture.icc is not None:
        image = _grey_to_rgb(image, picture.icc)
    data = bytes(
        image.webpsave_buffer(
            keep=_kept_metadata(picture),
            Q=options.quality,
            effort=_WEBP_EFFORT,
            lossless=options.lossless,
            exact=options.lossless,  # keeps colours where alpha is 0
        )
    )
    exif = _exif_with_resolution(picture)  # WEBP has no other place for a resolution
    return data if exif is None else webp.add_exif(data, exif, picture.width, picture.height)


def _encode_tiff(image: Any, picture: Picture, _options: EncodeOptions) -> bytes:
    if picture.dpi is not None:
        image = image.copy(xres=picture.dpi[0] / _MM_PER_INCH, yres=picture.dpi[1] / _MM_PER_INCH)
    data = bytes(
        image.tiffsave_buffer(
            keep=_kept_metadata(picture),
            compression="deflate",
            predictor="horizontal",
            resunit="inch",
            bigtiff=picture.pixels.nbytes * (2 if picture.alpha is not None else 1) > _MAX_TIFF_SAMPLES,
        )
    )
    return tiff_tags.completed(data, exif=picture.exif, has_resolution=picture.dpi is not None)


_ENCODERS = {"JPG": _encode_jpg, "WEBP": _encode_webp, "TIFF": _encode_tiff}


def _exif_with_resolution(picture: Picture) -> bytes | None:
    """Returns the Exif data of a file; None if there is nothing to store.

    libvips' own writer would add tags that the source does not have, such as a colour space.
    """
    return picture.exif if picture.dpi is None else add_resolution(picture.exif, picture.dpi)


def _grey_to_rgb(image: Any, icc: bytes) -> Any:
    """Converts a grey image with a profile to an RGB image that looks the same."""
    profile = rgb_profile_from_grey(icc)
    if profile is None:
        image = image.icc_transform("srgb", embedded=True, black_point_compensation=True)
        image.remove("icc-profile-data")
        return image
    image = image.colourspace("srgb")
    image.set_type(vips().GValue.blob_type, "icc-profile-data", profile)
    return image


def _kept_metadata(picture: Picture) -> str:
    """Returns the metadata that libvips writes, as its flags."""
    kept = [name for name in ("xmp", "iptc") if getattr(picture, name) is not None]
    return "|".join(["icc", *kept])


def _vips_image(pixels: Pixels, alpha: Pixels | None, picture: Picture) -> Any:
    """Returns a libvips image that shares the arrays' memory; bands are joined during encoding."""
    image = _vips_bands(pixels)
    deep = pixels.dtype == np.uint16
    colour, grey = ("rgb16", "grey16") if deep else ("srgb", "b-w")
    image = image.copy(interpretation=colour if image.bands == 3 else grey)
    if alpha is not None:
        image = image.bandjoin(_vips_bands(alpha[:, :, np.newaxis]))
    iptc = None if picture.iptc is None else as_photoshop(picture.iptc)
    blobs = ("icc-profile", picture.icc), ("xmp", picture.xmp), ("iptc", iptc)
    for name, data in blobs:
        if data is not None:
            image.set_type(vips().GValue.blob_type, f"{name}-data", data)
    return image


def _vips_bands(pixels: Pixels) -> Any:
    height, width, bands = pixels.shape
    samples = "uchar" if pixels.dtype == np.uint8 else "ushort"
    return vips().Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, bands, samples)
