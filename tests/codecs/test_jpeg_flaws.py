"""Flaws of JPEG files: what costs no pixels is accepted, with the pixels of the file without the flaw."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from support.picture_files import noise, opened, saved
from tilewright.codecs.decode import decode
from tilewright.codecs.jpeg_scan import read_structure, without_harmless_flaws, without_padding
from tilewright.errors import DecodeError

RGB = Image.fromarray(noise(64, 64, 3))
BASELINE = saved(RGB, "JPEG")
FULL_CHROMA = saved(RGB, "JPEG", subsampling=0, quality=95)
PROGRESSIVE = saved(RGB, "JPEG", progressive=True)
CMYK = saved(Image.fromarray(noise(64, 64, 4), "CMYK"), "JPEG")


def spliced(data, at, inserted, removed=0):
    return data[:at] + inserted + data[at + removed :]


def between_scans(padding):
    """Returns the progressive file with padding after each of its scans."""
    data = PROGRESSIVE
    for scan in reversed(read_structure(data).scans):
        data = spliced(data, scan.end, padding)
    return data


def missing_scan(data, number):
    scan = read_structure(data).scans[number]
    return spliced(
        data, data.rindex(b"\xff\xda", 0, scan.begin), b"", scan.end - data.rindex(b"\xff\xda", 0, scan.begin)
    )


SCAN = BASELINE.index(b"\xff\xda")
HARMLESS = {
    "spectral selection of 0 to 0": (BASELINE, spliced(BASELINE, SCAN + 11, b"\0\0\0", 3)),
    "all parameters wrong": (BASELINE, spliced(BASELINE, SCAN + 11, b"\5\6\x77", 3)),
    "an unknown version of JFIF": (BASELINE, spliced(BASELINE, BASELINE.index(b"JFIF\0") + 5, b"\7", 1)),
    "stray bytes between segments": (BASELINE, spliced(BASELINE, BASELINE.index(b"\xff\xdb"), b"stray")),
    "fill bytes before a marker": (BASELINE, spliced(BASELINE, BASELINE.index(b"\xff\xdb"), b"\xff\xff")),
    "bytes after the end": (BASELINE, BASELINE + b"\xff\xda more"),
    "a zero between scans": (PROGRESSIVE, between_scans(b"\0")),
    "zeros between scans": (PROGRESSIVE, between_scans(bytes(7))),
    "many zeros between scans": (PROGRESSIVE, between_scans(bytes(999))),
    "other padding between scans": (PROGRESSIVE, between_scans(b"\x55" * 33)),
    "padding before the end": (BASELINE, spliced(BASELINE, len(BASELINE) - 2, bytes(500))),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_flaw_that_costs_no_pixels_is_accepted(name):
    sound, flawed = HARMLESS[name]
    assert np.array_equal(decode(flawed).pixels, decode(sound).pixels)


@pytest.mark.parametrize("value", [b"\1", b"\7"])
def test_unknown_colour_transform_of_cmyk_is_taken_for_the_usual_one(value):
    at = CMYK.index(b"Adobe") + 11
    usual, unknown = (spliced(CMYK, at, each, 1) for each in (b"\2", value))
    assert np.array_equal(decode(unknown).pixels, decode(usual).pixels)


def test_several_flaws_at_once_do_not_hide_damage():
    """libjpeg-turbo reports only its first warning, so a harmless one must not stand before another."""
    flawed = spliced(spliced(BASELINE, SCAN + 11, b"\0\0\0", 3), BASELINE.index(b"\xff\xdb"), b"stray")
    assert np.array_equal(decode(flawed).pixels, decode(BASELINE).pixels)
    with pytest.raises(DecodeError, match="pixel data is damaged or missing"):
        decode(flawed[: len(flawed) // 2] + b"\xff\xd9")
    padded = between_scans(bytes(7))
    scan = read_structure(padded).scans[-1]
    with pytest.raises(DecodeError, match="pixel data is damaged or missing"):
        decode(spliced(padded, scan.begin, b"", (scan.end - scan.begin) // 2))


DAMAGED = {
    "data of another scan before the end": spliced(
        PROGRESSIVE, len(PROGRESSIVE) - 2, PROGRESSIVE[700:799].replace(b"\xff", b"\x7f")
    ),
    "a scan is missing that others refine": missing_scan(PROGRESSIVE, 0),
    "the marker of a scan is lost": PROGRESSIVE.replace(b"\xff\xda", b"\xfe\xda", 1),
    "no end marker": BASELINE[:-2],
    "half an end marker": BASELINE[:-1],
    "the end is lost, and zeros take its place": FULL_CHROMA[: len(FULL_CHROMA) // 2].ljust(len(FULL_CHROMA), b"\0"),
    "progressive without its end": PROGRESSIVE[:-2],
    "the last bytes are missing": BASELINE[:-12] + b"\xff\xd9",
    "a restart marker is lost": saved(RGB, "JPEG", restart_marker_blocks=2).replace(b"\xff\xd3", b"\xff\xd6", 1),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_lost_data_is_refused(name):
    with pytest.raises(DecodeError, match="the JPG file is corrupt or cut short"):
        decode(DAMAGED[name])


def test_stuffed_byte_at_the_end_of_a_scan_is_no_padding():
    """A byte FF of the data is stored as FF 00, so that the first zero after it is data."""
    for padding in (b"\xff\0\0\0\0", b"\xff\0"):
        data = between_scans(padding)
        trimmed = without_padding(data, read_structure(data))
        ends = [trimmed[scan.end - 2 : scan.end] for scan in read_structure(trimmed).scans]
        assert ends == [b"\xff\0"] * 10


@pytest.mark.parametrize("filling", [bytes(1), b"\xff", b"\xff\0", b"\xff\xd0", b"\x12\x34"])
@pytest.mark.parametrize("size", [(1 << 16) - 1, 1 << 16, (1 << 16) + (1 << 20) - 1, 3 << 20])
def test_end_of_a_long_scan_is_found(filling, size):
    """Long scans are searched in blocks, and the marker can lie across their borders."""
    filled = (filling * size)[:size]
    for end in range(size - 3, size + 1):
        data = BASELINE[: SCAN + 14] + filled[:end].rstrip(b"\xff") + b"\x11\xff\xd9"
        (scan,) = read_structure(data).scans
        assert scan.end == len(data) - 2


@pytest.mark.parametrize("data", [BASELINE, PROGRESSIVE, CMYK])
def test_sound_file_is_decoded_as_it_is(data):
    assert without_harmless_flaws(data, read_structure(data)) is data


def test_field_files(shared_data):
    for name in ("01_samsung_sos", "02_zeros_between_scans"):
        data = (shared_data / f"field/{name}.jpg").read_bytes()
        assert np.array_equal(decode(data).pixels, np.asarray(opened(data)))


def test_unsupported_kinds_are_named():
    frame = BASELINE.index(b"\xff\xc0")
    with pytest.raises(DecodeError, match="12-bit JPEG is not supported"):
        decode(spliced(BASELINE, frame + 4, b"\x0c", 1))
    with pytest.raises(DecodeError, match="lossless JPEG is not supported"):
        decode(spliced(BASELINE, frame + 1, b"\xc3", 1))


def test_structure_of_a_sound_file():
    structure = read_structure(PROGRESSIVE)
    assert (structure.frame, structure.precision, structure.width, structure.height) == (0xC2, 8, 64, 64)
    assert structure.sampling == ((2, 2), (1, 1), (1, 1))
    assert structure.ended
    assert not structure.stray
    assert [PROGRESSIVE[scan.end : scan.end + 1] for scan in structure.scans] == [b"\xff"] * len(structure.scans)
    assert struct.unpack_from(">H", BASELINE, SCAN + 2)[0] + SCAN + 2 == read_structure(BASELINE).scans[0].begin
