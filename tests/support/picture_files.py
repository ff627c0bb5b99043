"""Sample pictures, and picture files written and read by Pillow, an independent codec."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tilewright.codecs.libvips import vips
from tilewright.codecs.png_chunks import chunk
from tilewright.testing import make_picture

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Returns random samples of a shape."""
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Returns uint8 samples that lossy codecs preserve well."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [128 + 90 * np.sin(rows / 9 + channel) * np.cos(columns / 11) for channel in range(channels)]
    return np.stack(planes, axis=2).astype(np.uint8)


def photo_image(height: int = 24, width: int = 40) -> Image.Image:
    """Returns an RGB image with the content of a photograph."""
    return Image.fromarray(make_picture(height, width))


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Returns an image as a file written by Pillow."""
    file = io.BytesIO()
    image.save(file, "JPEG" if file_format == "JPG" else file_format, **options)
    return file.getvalue()


def avif(samples: np.ndarray, **options: Any) -> bytes:
    """Returns uint8 or uint16 samples ``[H, W, C]`` as a lossless AVIF file written by libvips."""
    height, width, bands = samples.shape
    kind, interpretation = ("ushort", "rgb16") if samples.dtype == np.uint16 else ("uchar", "srgb")
    image = vips().Image.new_from_memory(samples.tobytes(), width, height, bands, kind)
    image = image.copy(interpretation=interpretation)
    return bytes(image.heifsave_buffer(compression="av1", lossless=True, **options))


def opened(data: bytes) -> Image.Image:
    """Returns a file as an image decoded by Pillow."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def with_chunks(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Returns a PNG file with chunks inserted after its header."""
    return data[:33] + b"".join(chunk(kind, body) for kind, body in chunks) + data[33:]


def srgb_encoded(light: np.ndarray) -> np.ndarray:
    """Returns light from 0 to 1 as sRGB samples from 0 to 255 (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def rendered(data: bytes) -> np.ndarray:
    """Returns the sRGB pixels of a file as float ``[H, W, 3]``, converted with LittleCMS."""
    image = opened(data)
    profile = image.info.get("icc_profile")
    if profile is None:
        return np.asarray(image.convert("RGB")).astype(float)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    colours = image if image.mode in ("L", "RGB") else image.convert("RGB")
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(colours, source, target, outputMode="RGB")).astype(float)
