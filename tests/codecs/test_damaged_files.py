"""Truncated and corrupt files: visible damage is refused, harmless flaws are accepted."""

from __future__ import annotations

import struct
import threading

import pytest
from PIL import Image

from support.picture_files import noise, saved
from support.threads import run_in_threads
from tilewright.codecs import decode as decode_module
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
    with pytest.raises(DecodeError, match="corrupt or cut short: pixel data is damaged or missing"):
        decode(data[: (begin + len(data)) // 2] + b"\xff\xd9")


def outcomes_in_threads(work, threads=4):
    """Returns what `work`, a generator function, yields on several threads at once."""
    outcomes = []
    run_in_threads(*[lambda: outcomes.extend(work())] * threads)
    return outcomes


def verdict(data):
    try:
        decode(data)
    except DecodeError as error:
        return error.message
    return "sound"


def test_verdicts_do_not_mix_with_those_of_pictures_decoded_at_the_same_time():
    """libvips has one list of messages per process, into which every failure writes."""
    jpeg, begin = noisy_jpeg()
    png, webp = (saved(Image.fromarray(noise(64, 64, 3)), kind) for kind in ("PNG", "WEBP"))
    files = [
        jpeg,
        jpeg[: (begin + len(jpeg)) // 2] + b"\xff\xd9",
        jpeg[:begin].replace(b"\x3f\x00", b"\x00\x00") + jpeg[begin:],  # wrong parameters of the scan
        png,
        png[: len(png) // 2],
        png[: len(png) // 2] + bytes(9) + png[len(png) // 2 + 9 :],
        webp,
        webp[:-50],
    ]
    expected = [verdict(data) for data in files]
    assert [outcome == "sound" for outcome in expected] == [True, False, True, True, False, False, True, False]

    def work():
        for number in range(120):
            at = number * 7 % len(files)
            yield verdict(files[at]) == expected[at]

    assert outcomes_in_threads(work) == [True] * 480


def test_pictures_are_decoded_at_the_same_time():
    """No lock keeps one picture waiting for another: each thread meets the other inside the decoder."""
    meeting = threading.Barrier(2)
    call = decode_module.vips().Operation.call

    def meet(*args, **options):
        meeting.wait(timeout=30)
        return call(*args, **options)

    jpeg, _ = noisy_jpeg()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module.vips().Operation, "call", meet)
        assert outcomes_in_threads(lambda: [verdict(jpeg)], threads=2) == ["sound"] * 2


def test_reason_is_found_in_the_file():
    png = saved(Image.fromarray(noise(64, 64, 3)), "PNG")
    at = png.index(b"IDAT") + 300
    assert verdict(png[: len(png) // 2]).endswith("it ends inside its chunk IDAT")
    assert verdict(png[:33]).endswith("it ends before its chunk IEND")
    assert verdict(png[:at] + bytes([png[at] ^ 1]) + png[at + 1 :]).endswith("the checksum of its chunk IDAT is wrong")
    webp = saved(Image.fromarray(noise(64, 64, 3)), "WEBP")
    assert verdict(webp[:-50]).endswith(f"it ends after {len(webp) - 50} of {len(webp)} bytes")
    jpeg, begin = noisy_jpeg()
    assert verdict(jpeg[: begin + 99]).endswith("it ends before its end marker")
    assert verdict(jpeg[: begin // 2]).endswith("its header is incomplete")
