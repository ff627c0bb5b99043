"""Pictures upscaled into files."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest

from support.fake_networks import with_fake_networks
from tilewright import Upscaler
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import EncodeOptions
from tilewright.codecs.in_memory import picture_from_array
from tilewright.codecs.png import PngWriter
from tilewright.testing import make_picture


def picture_of(channels, dtype=np.uint8):
    return picture_from_array(make_picture(70, 90, channels, dtype))


@pytest.fixture(scope="module", params=[None, 48])
def fake_upscaler(request):
    """An Upscaler with fake networks; tiles of 48 pixels overlap."""
    return with_fake_networks(Upscaler(device="cpu", tile=request.param, store="memory://files"), halo=5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_written_while_tiles_run_equals_the_picture(fake_upscaler, channels, dtype):
    picture = picture_of(channels, dtype)
    file = io.BytesIO()
    fake_upscaler.upscale_to_file(picture, 2, file, "PNG")
    found, wanted = decode(file.getvalue()), fake_upscaler.upscale_picture(picture, 2)
    np.testing.assert_array_equal(found.pixels, wanted.pixels)
    assert (found.alpha is None) == (wanted.alpha is None)
    if wanted.alpha is not None:
        np.testing.assert_array_equal(found.alpha, wanted.alpha)


def test_png_of_a_real_network_equals_the_picture(upscaler_for):
    upscaler, picture, file = upscaler_for(device="cpu", tile=64), picture_of(4), io.BytesIO()
    upscaler.upscale_to_file(picture, 2, file, "PNG")
    found, wanted = decode(file.getvalue()), upscaler.upscale_picture(picture, 2)
    np.testing.assert_array_equal(found.pixels, wanted.pixels)
    np.testing.assert_array_equal(found.alpha, wanted.alpha)


@pytest.mark.parametrize("compression", [None, "fast", "balanced", "small"])
def test_compression_is_passed_to_the_writer(upscaler, compression, monkeypatch):
    passed = []
    writer = PngWriter.__init__

    def recording(*arguments, **options):
        passed.append(options["compression"])
        writer(*arguments, **options)

    monkeypatch.setattr(PngWriter, "__init__", recording)
    upscaler.upscale_to_file(picture_of(1), 2, io.BytesIO(), "PNG", compression=compression)
    assert passed == [compression or "fast"]


def test_constant_alpha_is_written(upscaler_for):
    upscaler = upscaler_for(device="cpu", tile=64)
    picture = dataclasses.replace(picture_of(4), alpha=np.full((70, 90), 77, np.uint8))
    file = io.BytesIO()
    upscaler.upscale_to_file(picture, 2, file, "PNG")
    assert (decode(file.getvalue()).alpha == 77).all()


@pytest.mark.parametrize("file_format", ["JPG", "WEBP"])
def test_other_formats_equal_the_encoded_picture(upscaler, file_format):
    picture, file = picture_of(4), io.BytesIO()
    upscaler.upscale_to_file(picture, 2, file, file_format, quality=80)
    assert file.getvalue() == encode(upscaler.upscale_picture(picture, 2), file_format, EncodeOptions(quality=80))


def test_rows_are_written_while_tiles_still_run():
    upscaler = with_fake_networks(Upscaler(device="cpu", tile=64, store="memory://files"), halo=18)
    # Noise does not compress, so every strip adds to the file.
    pixels = np.random.default_rng(5).integers(0, 256, (900, 300, 3), np.uint8)
    file, sizes = io.BytesIO(), []
    upscaler.upscale_to_file(
        picture_from_array(pixels),
        2,
        file,
        "PNG",
        on_progress=lambda progress: sizes.append((progress.done, file.tell())),
    )
    last = max(done for done, _ in sizes)
    assert next(done for done, size in sizes if size > 100_000) < 0.9 * last


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_on_result_gets_the_result_and_what_it_returns_is_ignored(fake_upscaler, file_format):
    picture, results = picture_of(3), []
    files = [io.BytesIO(), io.BytesIO()]

    def on_result(result):
        results.append(result)
        return result.pixels  # an array has no truth value

    fake_upscaler.upscale_to_file(picture, 2, files[0], file_format, on_result=on_result)
    fake_upscaler.upscale_to_file(picture, 2, files[1], file_format)
    np.testing.assert_array_equal(results[0].pixels, fake_upscaler.upscale_picture(picture, 2).pixels)
    assert files[0].getvalue() == files[1].getvalue()


class FullDisk(io.RawIOBase):
    """A file that cannot be written."""

    def write(self, _data):
        raise OSError(28, "No space left on device")


def test_file_that_cannot_be_written_stops_the_work(upscaler):
    with pytest.raises(OSError, match="No space left"):
        upscaler.upscale_to_file(picture_of(3), 2, FullDisk(), "PNG")
    assert upscaler.upscale_array(make_picture(8, 8), 2).shape == (16, 16, 3), "still usable"
