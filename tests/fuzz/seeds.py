"""Small files of every supported kind, and of some unsupported ones, which mutations start from."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from support.picture_files import avif
from support.tiff_files import tiff_file
from tilewright.codecs.libvips import vips
from tilewright.testing import make_picture

_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:t="http://ns.adobe.com/tiff/1.0/"><a t:Orientation="6" b="9">text
<t:ImageWidth>9</t:ImageWidth></a></x:xmpmeta>"""


@cache
def seeds() -> dict[str, bytes]:
    """Returns the files by name. The first word of a name is the kind."""
    return {**_png(), **_jpg(), **_webp(), **_gif(), **_tiff(), **_avif(), **_bmp(), **_others()}


def _png() -> dict[str, bytes]:
    grey, colour = (Image.fromarray(_picture(channels)) for channels in (1, 3))
    files = {
        f"png {channels} channels": _saved(Image.fromarray(_picture(channels)), "PNG") for channels in (1, 2, 3, 4)
    }
    files |= {f"png grey of {bits} bits": _vips_png(grey, bitdepth=bits) for bits in (1, 2, 4)}
    files |= {f"png palette of {bits} bits": _vips_png(colour, palette=True, bitdepth=bits) for bits in (1, 4, 8)}
    for channels in (1, 2, 3, 4):
        files[f"png {channels} channels of 16 bits"] = _vips_png(make_picture(9, 13, channels, np.uint16))
    palette = colour.quantize(7)
    about = [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        (b"sRGB", b"\0"),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"sBIT", b"\5\6\5"),
        (b"pHYs", struct.pack(">IIB", 3780, 3780, 1)),
        (b"tEXt", b"Comment\0text"),
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + _XMP),
        (b"eXIf", _exif().tobytes()[6:]),
    ]
    return files | {
        "png interlaced": _vips_png(colour, interlace=True),
        "png interlaced 16 bits": _vips_png(make_picture(9, 13, 4, np.uint16), interlace=True),
        "png transparent palette": _saved(palette, "PNG", transparency=bytes([0, 99, 255])),
        "png transparent colour": _saved(colour, "PNG", transparency=(1, 2, 3)),
        "png profile and exif": _saved(colour, "PNG", icc_profile=_ICC, exif=_exif()),
        "png chunks": _with_chunks(_saved(colour, "PNG"), about),
        "png animation": _saved(colour, "PNG", save_all=True, append_images=[colour.rotate(90)], duration=9),
        "png default image": _saved(
            colour, "PNG", save_all=True, append_images=[colour.rotate(90)], default_image=True
        ),
        "png of one pixel": _saved(colour.crop((0, 0, 1, 1)), "PNG"),
    }


def _jpg() -> dict[str, bytes]:
    grey, colour = (Image.fromarray(_picture(channels, 24, 33)) for channels in (1, 3))
    described = {"icc_profile": _ICC, "exif": _exif(), "xmp": _XMP, "dpi": (300, 200), "comment": b"text"}
    return {
        "jpg grey": _saved(grey, "JPEG"),
        "jpg": _saved(colour, "JPEG"),
        "jpg full chroma": _saved(colour, "JPEG", subsampling=0, quality=95),
        "jpg progressive": _saved(colour, "JPEG", progressive=True),
        "jpg restarts": _saved(colour, "JPEG", restart_marker_blocks=1),
        "jpg described": _saved(colour, "JPEG", **described),
        "jpg cmyk": _saved(colour.convert("CMYK"), "JPEG"),
        "jpg of one pixel": _saved(colour.crop((0, 0, 1, 1)), "JPEG"),
    }


def _webp() -> dict[str, bytes]:
    colour, alpha = (Image.fromarray(_picture(channels)) for channels in (3, 4))
    return {
        "webp": _saved(colour, "WEBP"),
        "webp alpha": _saved(alpha, "WEBP"),
        "webp lossless": _saved(alpha, "WEBP", lossless=True),
        "webp described": _saved(alpha, "WEBP", icc_profile=_ICC, exif=_exif(), xmp=_XMP),
        "webp animation": _saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(90)], duration=9),
    }


def _gif() -> dict[str, bytes]:
    colour = Image.fromarray(_picture(3)).quantize(7)
    return {
        "gif": _saved(colour, "GIF"),
        "gif transparent": _saved(colour, "GIF", transparency=1, interlace=1, comment=b"text"),
        "gif screen": _saved(colour, "GIF")[:6] + struct.pack("<HH", 64, 48) + _saved(colour, "GIF")[10:],
        "gif animation": _saved(colour, "GIF", save_all=True, append_images=[colour.rotate(90)], duration=9),
    }


def _tiff() -> dict[str, bytes]:
    grey, colour, alpha = (Image.fromarray(_picture(channels)) for channels in (1, 3, 4))
    inks, deep = _picture(4), make_picture(9, 13, 4, np.uint16)
    return {
        "tiff": _saved(colour, "TIFF", dpi=(300, 200), icc_profile=_ICC),
        "tiff lzw": _saved(alpha, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}),
        "tiff deflate": _saved(grey, "TIFF", compression="tiff_adobe_deflate"),
        "tiff packbits": _saved(colour.quantize(7), "TIFF", compression="packbits"),
        "tiff jpeg": _saved(colour, "TIFF", compression="jpeg"),
        "tiff fax": _saved(grey.convert("1"), "TIFF", compression="group4"),
        "tiff pages": _saved(colour, "TIFF", save_all=True, append_images=[grey, alpha]),
        "tiff cmyk": tiff_file(inks, 5, {274: 6, 700: _XMP}),
        "tiff 16 bits": tiff_file(deep, 2, {338: (1,)}, order=">"),
        "tiff big": tiff_file(deep, 2, {338: (2,)}, big=True),
        "tiff tiles": bytes(
            vips().Image.new_from_array(_picture(3, 40, 50)).tiffsave_buffer(tile=True, tile_width=32, tile_height=16)
        ),
    }


def _avif() -> dict[str, bytes]:
    return {
        "avif": avif(_picture(3)),
        "avif alpha": avif(_picture(4)),
        "avif pages": avif(_picture(3, 128, 64), page_height=64),
        "avif of 10 bits": avif(make_picture(16, 16, 3, np.uint16), bitdepth=10),
        "avif described": _saved(Image.fromarray(_picture(4)), "AVIF", exif=_exif(), xmp=_XMP, icc_profile=_ICC),
    }


def _bmp() -> dict[str, bytes]:
    grey, colour = (Image.fromarray(_picture(channels)) for channels in (1, 3))
    return {
        "bmp": _saved(colour, "BMP", dpi=(300, 200)),
        "bmp grey": _saved(grey, "BMP"),
        "bmp palette": _saved(colour.quantize(7), "BMP"),
        "bmp of one bit": _saved(grey.convert("1"), "BMP"),
        "bmp run lengths": _run_length_bmp(),
    }


def _run_length_bmp() -> bytes:
    rows = bytes([3, 10, 1, 20, 0, 0, 0, 4, 1, 2, 3, 4, 0, 1])
    header = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(rows), 0, 0, 0, 0) + bytes(range(256)) * 4
    return struct.pack("<2sIHHI", b"BM", 14 + len(header) + len(rows), 0, 0, 14 + len(header)) + header + rows


def _others() -> dict[str, bytes]:
    return {"other pdf": b"%PDF-1.7\n", "other video": bytes(4) + b"ftypisom" + bytes(9), "other text": b"<svg/>"}


def _picture(channels: int, height: int = 9, width: int = 13) -> np.ndarray:
    picture = make_picture(height, width, channels)
    return picture[:, :, 0] if channels == 1 else picture


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotated by 90 degrees
    exif[0x010F] = "maker"
    exif[0x011A] = 300.0
    exif.get_ifd(0x8769)[0xA002] = 13
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 0.0)
    return exif


def _saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _vips_png(picture: object, **options: object) -> bytes:
    return bytes(vips().Image.new_from_array(np.asarray(picture)).pngsave_buffer(**options))


def _with_chunks(png: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Inserts chunks into a PNG file after the IHDR chunk, which ends at byte 33."""
    inserted = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return png[:33] + inserted + png[33:]
