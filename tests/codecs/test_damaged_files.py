"""Truncated and corrupt files: visible damage is refused, harmless flaws are accepted."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from support.picture_files import noise, saved, smooth
from support.threads import run_in_threads
from tilewright.codecs.decode import decode
from tilewright.errors import DecodeError


def noisy_jpeg(**options):
    """Returns a JPEG file of noise and the offset of its entropy-coded data."""
    data = saved(Image.fromarray(noise(64, 64, 3)), "JPEG", **options)
    scan = data.index(b"\xff\xda")
    return data, scan + 2 + struct.unpack_from(">H", data, scan + 2)[0]


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.6, 0.97])
def test_truncated_file_is_refused(file_format, fraction):
    data = saved(Image.fromarray(noise(64, 64, 3)), file_format)
    with pytest.raises(DecodeError, match="corrupt or cut short"):
        decode(data[: int(len(data) * fraction)])


def test_bit_flip_in_png_is_refused():
    data = bytearray(saved(Image.fromarray(noise(64, 64, 3)), "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(DecodeError, match="the PNG file is corrupt"):
        decode(bytes(data))


def test_stray_bytes_between_jpeg_markers_are_accepted_and_not_reported_for_the_next_file():
    data = saved(Image.fromarray(smooth(64, 64)), "JPEG")
    tables = data.index(b"\xff\xdb")
    assert np.array_equal(decode(data[:tables] + b"stray" + data[tables:]).pixels, decode(data).pixels)
    decode(data[:tables] + b"stray" + data[tables:])
    with pytest.raises(DecodeError) as caught:
        decode(saved(Image.fromarray(noise(64, 64, 3)), "WEBP")[:-50])
    assert "jpeg" not in caught.value.message.lower()


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 2}])
def test_jpeg_damage_that_the_decoder_detects_is_refused(options):
    """JPEG has no checksum, so not every bit flip is detected; those that are must be refused."""
    data, begin = noisy_jpeg(**options)
    refused = 0
    for at in range(begin, len(data) - 2, 97):
        flipped = bytearray(data)
        flipped[at] ^= 0x10
        try:
            decode(bytes(flipped))
        except DecodeError:
            refused += 1
    assert refused >= 3


def test_jpeg_with_missing_pixels_is_refused():
    data, begin = noisy_jpeg()
    with pytest.raises(DecodeError, match="corrupt: VipsJpeg: Corrupt JPEG data: premature end of data segment"):
        decode(data[: (begin + len(data)) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("padding", [b"\0", bytes(500), b"\x55" * 3])
def test_padding_before_the_end_of_a_jpeg_is_accepted_but_skipped_data_is_not(padding):
    data, begin = noisy_jpeg(progressive=True)
    assert np.array_equal(decode(data[:-2] + padding + data[-2:]).pixels, decode(data).pixels)
    with pytest.raises(DecodeError, match="extraneous bytes before marker 0xd9"):
        decode(data[:-2] + data[begin : begin + 99].replace(b"\xff", b"\x7f") + data[-2:])


def test_damaged_jpeg_on_another_thread_does_not_affect_an_intact_one():
    intact, begin = noisy_jpeg()
    damaged = intact[: (begin + len(intact)) // 2] + b"\xff\xd9"
    outcomes = []

    def work():
        for data in (intact, damaged) * 20:
            try:
                decode(data)
                outcomes.append(data is intact)
            except DecodeError:
                outcomes.append(data is damaged)

    run_in_threads(*[work] * 4)
    assert len(outcomes) == 160
    assert all(outcomes)
