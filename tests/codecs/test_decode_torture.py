"""Decoding of ``shared/data/torture``, compared with Pillow."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from PIL import Image

from support.paths import SHARED_DATA
from tilewright.codecs.decode import decode
from tilewright.codecs.in_memory import picture_from_pillow
from tilewright.errors import DecodeError, ImageTooLargeError
from tilewright.limits import InputLimits

TORTURE = SHARED_DATA / "torture"

pytestmark = pytest.mark.skipif(not TORTURE.is_dir(), reason="the torture pictures are not available")


def torture(pattern):
    """Returns the files that match a pattern, as parameters."""
    return [pytest.param(path, id=path.name) for path in sorted(TORTURE.glob(pattern)) if path.is_file()]


# Pillow compares the transparent value of this 4-bit grey file with samples scaled to 8 bits, and
# finds none.
PILLOW_MISSES_ALPHA = {"tbbn0g04.png"}


@pytest.mark.parametrize("path", [*torture("png/**/*.png"), *torture("jpeg/**/*.jpg"), *torture("webp/*.webp")])
def test_valid_pictures_match_pillow(path):
    picture = decode(path.read_bytes())
    reference = picture_from_pillow(Image.open(path))
    assert (picture.width, picture.height) == (reference.width, reference.height)
    pixels, alpha = picture.pixels, picture.alpha
    if pixels.dtype != reference.pixels.dtype:  # Pillow keeps only the high bytes of 16-bit colour
        assert path.name[6:8] == "16"
        pixels, alpha = pixels >> 8, None if alpha is None else alpha >> 8
    assert np.array_equal(np.broadcast_to(pixels, reference.pixels.shape), reference.pixels)
    if path.name not in PILLOW_MISSES_ALPHA:
        assert (alpha is None) == (reference.alpha is None)
        assert alpha is None or np.array_equal(alpha, reference.alpha)
    if reference.icc is not None and "cmyk" not in path.name:
        assert picture.icc == reference.icc


@pytest.mark.parametrize("path", torture("png/pngsuite/[!P]*.png"))
def test_pngsuite_depths_and_colour_types(path):
    picture = decode(path.read_bytes())
    colour, depth = int(path.name[4]), int(path.name[6:8])  # the naming scheme of PngSuite
    assert picture.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)
    assert picture.pixels.shape[2] == (1 if colour in (0, 4) else 3)
    assert picture.alpha is not None or colour not in (4, 6)


@pytest.mark.parametrize("path", [*torture("corrupt/empty*"), *torture("corrupt/text*"), *torture("corrupt/trunc*")])
def test_broken_files_are_refused(path):
    with pytest.raises(DecodeError):
        decode(path.read_bytes())


@pytest.mark.parametrize("path", torture("corrupt/flip*"))
def test_bit_flip_is_refused_in_png_and_may_decode_elsewhere(path):
    # Only PNG has checksums; in other formats a flipped bit can give a valid picture.
    try:
        decode(path.read_bytes())
        assert path.suffix != ".png"
    except DecodeError:
        pass


@pytest.mark.parametrize(
    ("path", "kind"), [("jpeg.png", "JPG"), ("png.jpg", "PNG"), ("webp.png", "WEBP"), ("gif.png", "GIF")]
)
def test_format_is_detected_from_the_content(path, kind):
    assert decode((TORTURE / f"corrupt/misnamed_is_{path}").read_bytes()).source_format == kind


@pytest.mark.parametrize("path", torture("bomb/*"))
def test_decompression_bombs_exceed_the_limit_or_are_harmless(path):
    with contextlib.suppress(ImageTooLargeError):
        assert decode(path.read_bytes(), limits=InputLimits(pixels=30_000_000)).width == 4
