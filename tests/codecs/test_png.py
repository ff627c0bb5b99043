"""The PNG writer: independent readers agree, and bytes depend on picture and compression only."""

from __future__ import annotations

import gc
import io
import shutil
import struct
import subprocess
import threading
import zlib

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from support.grid import SAMPLES, random_picture
from support.picture_files import SRGB_PROFILE
from tilewright.codecs import png
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import EncodeOptions
from tilewright.codecs.png import PngWriter, adler32_combine
from tilewright.codecs.png_chunks import chunk
from tilewright.errors import EncodeError, TilewrightError
from tilewright.picture import Picture

COMPRESSIONS = ["fast", "balanced", "small"]


def smooth(height, width, channels, dtype=np.uint8):
    """Returns samples like those of a photograph: gradients and a little noise."""
    y, x = np.mgrid[:height, :width]
    planes = np.stack([100 + 60 * np.sin(x / (31 + 5 * c)) + 60 * np.cos(y / 47) for c in range(channels)], axis=2)
    planes += np.random.default_rng(0).normal(0, 1.5, planes.shape)
    return (planes.clip(0, 255) * (np.iinfo(dtype).max / 255)).astype(dtype)


def lettering(height, width, channels):
    """Returns a page of few colours and repeated shapes."""
    glyphs = np.random.default_rng(0).integers(0, 2, (8, 12, 8), np.uint8) * np.uint8(200)
    indices = np.random.default_rng(1).integers(0, 8, (height // 12 + 1, width // 8 + 1))
    page = glyphs[indices].transpose(0, 2, 1, 3).reshape(len(indices) * 12, -1)[:height, :width]
    return np.repeat(page[:, :, None], channels, axis=2)


def write(pixels, alpha=None, portion=None, **options):
    """Returns a PNG file written in portions of rows; all rows at once by default."""
    height, width, channels = pixels.shape
    file = io.BytesIO()
    with PngWriter(file, width, height, channels + (alpha is not None), pixels.dtype, **options) as writer:
        for top in range(0, height, portion or height):
            rows = slice(top, top + (portion or height))
            writer.write(pixels[rows], None if alpha is None else alpha[rows])
        writer.finish()
    return file.getvalue()


def chunks(data):
    """Yields name and data of every chunk; checks signature, lengths and checksums."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        yield kind, body
        at += 12 + length
    assert at == len(data)


def check_readers(data, whole):
    """Checks that libvips and Pillow read `whole` ``[H, W, C]`` and zlib accepts the stream."""
    image = pyvips.Image.new_from_buffer(data, "", fail_on="warning")
    samples = image.numpy().reshape(whole.shape)
    assert samples.dtype == whole.dtype
    np.testing.assert_array_equal(samples, whole)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        if whole.dtype == np.uint8 or whole.shape[2] == 1:
            np.testing.assert_array_equal(np.asarray(picture).reshape(whole.shape), whole)
        assert picture.size == whole.shape[1::-1]
    stream = zlib.decompressobj()
    rows = stream.decompress(b"".join(body for kind, body in chunks(data) if kind == b"IDAT"))
    assert stream.eof
    assert not stream.unused_data
    assert len(rows) == whole.shape[0] * (1 + whole[0].nbytes)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(
    ("channels", "with_alpha"), [(1, False), (2, False), (3, False), (4, False), (1, True), (3, True)]
)
@pytest.mark.parametrize("size", [(1, 1), (1, 37), (41, 1), (17, 23), (700, 1100)])
def test_readers_agree_for_every_colour_type_depth_and_size(sample, channels, with_alpha, size):
    for pixels in (
        smooth(*size, channels, sample),
        random_picture(*size, channels, sample),
        np.zeros((*size, channels), sample),
    ):
        alpha = random_picture(*size, 1, sample, seed=1)[:, :, 0] if with_alpha else None
        data = write(pixels, alpha)
        whole = pixels if alpha is None else np.dstack([pixels, alpha])
        check_readers(data, whole)
        header = dict(chunks(data))[b"IHDR"]
        colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[whole.shape[2]]
        assert header == struct.pack(">IIBBBBB", *size[::-1], 8 * pixels.itemsize, colour_type, 0, 0, 0)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", [smooth, lettering])
def test_readers_agree_for_every_compression(kind, compression):
    pixels = kind(600, 900, 3)
    check_readers(write(pixels, compression=compression), pixels)


@pytest.mark.skipif(shutil.which("pngcheck") is None, reason="pngcheck is not installed")
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pngcheck_accepts_the_file(tmp_path, sample, channels):
    path = tmp_path / "picture.png"
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(SRGB_PROFILE))
    path.write_bytes(write(smooth(700, 500, channels, sample), ancillary=profile if channels > 2 else b""))
    result = subprocess.run(["pngcheck", "-q", path], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_match_search_is_chosen_for_repetitive_pictures():
    page = lettering(900, 900, 3)
    fast, balanced, small = (len(write(page, compression=compression)) for compression in COMPRESSIONS)
    runs = len(png.deflate_runs(np.frombuffer(zlib.decompress(idat(write(page))), np.uint8)))
    assert small < balanced < fast < 0.9 * runs


def idat(data):
    return b"".join(body for kind, body in chunks(data) if kind == b"IDAT")


def test_photograph_is_as_small_as_with_zlib(photo):
    data = idat(write(photo))
    assert len(data) < 1.01 * len(zlib.compress(zlib.decompress(data), 6))


def test_icc_profile_is_written():
    data = write(smooth(20, 30, 3), ancillary=chunk(b"iCCP", b"icc\0\0" + zlib.compress(SRGB_PROFILE)))
    assert pyvips.Image.new_from_buffer(data, "").get("icc-profile-data") == SRGB_PROFILE
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == SRGB_PROFILE
    assert [kind for kind, _ in chunks(data)][:2] == [b"IHDR", b"iCCP"]


@pytest.mark.parametrize("compression", ["fast", "balanced"])
def test_bytes_do_not_depend_on_portions_or_threads(compression):
    top, bottom = smooth(700, 700, 3), lettering(400, 700, 3)
    pixels = np.concatenate([top, bottom])
    alpha = smooth(1100, 700, 1)[:, :, 0]
    expected = write(pixels, alpha, threads=1, compression=compression)
    assert len(pixels) * 700 * 4 > 2 * png._STRIP_BYTES
    for portion in (1, 2, 7, 1100):
        assert write(pixels, alpha, portion, compression=compression) == expected
    for threads in (2, 4):
        assert write(pixels, alpha, 50, threads=threads, compression=compression) == expected
    assert write(np.dstack([pixels, alpha]), compression=compression) == expected
    assert write(pixels, alpha[:, :, np.newaxis], 50, compression=compression) == expected


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_picture_in_any_portions_round_trips(data):
    sample = data.draw(st.sampled_from(SAMPLES))
    channels, with_alpha = data.draw(
        st.sampled_from([(1, False), (2, False), (3, False), (4, False), (1, True), (3, True)])
    )
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    step = data.draw(st.sampled_from([1, 20, 100, 255]))
    seed = data.draw(st.integers(0, 99))
    pixels = random_picture(height, width, channels, sample, seed, padding=2) // step
    alpha = random_picture(height, width, 1, sample, seed + 1)[:, :, 0] if with_alpha else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_STRIP_BYTES", data.draw(st.integers(1, 4000)))
        compression = data.draw(st.sampled_from(COMPRESSIONS))
        written = write(pixels, alpha, data.draw(st.integers(1, height)), compression=compression)
    check_readers(written, pixels if alpha is None else np.dstack([pixels, alpha]))


def test_data_beyond_the_chunk_limit_is_split(monkeypatch):
    monkeypatch.setattr(png, "_MAX_CHUNK_BYTES", 1000)
    pixels = random_picture(30, 200, 3, np.uint8)
    data = write(pixels)
    assert max(len(body) for _, body in chunks(data)) == 1000
    check_readers(data, pixels)


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 70_000))
@settings(deadline=None)
def test_adler32_of_parts_combines(first, second, repeated):
    second = second + b"\xff" * repeated
    assert adler32_combine(zlib.adler32(first), zlib.adler32(second), len(second)) == zlib.adler32(first + second)


def test_callers_array_can_be_reused_immediately():
    pixels = smooth(1500, 800, 3)
    file, rows = io.BytesIO(), np.empty((100, 800, 3), np.uint8)
    with PngWriter(file, 800, 1500, 3, np.uint8) as writer:
        for top in range(0, 1500, 100):
            rows[:] = pixels[top : top + 100]
            writer.write(rows)
            rows[:] = 0
        writer.finish()
    assert file.getvalue() == write(pixels)


def test_rows_reach_the_target_before_the_last_row_is_written():
    file = io.BytesIO()
    rows = random_picture(64, 4096, 3, np.uint8)  # 0.75 MiB
    with PngWriter(file, 4096, 64 * 20, 3, np.uint8, threads=1) as writer:
        for count in range(20):
            writer.write(rows)
            assert file.tell() >= (count - 4) * rows.nbytes


def writer_threads():
    """Returns the live threads of all PNG writers."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("tilewright-png")]


def test_threads_end_when_the_writer_is_finished_closed_or_collected():
    rows = random_picture(700, 1000, 3, np.uint8)
    write(rows)
    assert not writer_threads()
    with PngWriter(io.BytesIO(), 1000, 1400, 3, np.uint8) as writer:
        writer.write(rows)
        assert writer_threads()
    assert not writer_threads()
    writer = PngWriter(io.BytesIO(), 1000, 1400, 3, np.uint8)
    writer.write(rows)
    threads = writer_threads()
    del writer
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert not writer_threads()


class FullDisk:
    """A target that raises OSError beyond a number of bytes."""

    def __init__(self, room):
        self.room = room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "no space")
        return len(data)


@pytest.mark.parametrize("room", [0, 100, 1_000_000, 6_298_000])
def test_error_of_the_target_is_raised_and_ends_the_threads(room):
    pixels = random_picture(2100, 1000, 3, np.uint8)

    def write_all():
        writer = PngWriter(FullDisk(room), 1000, 2100, 3, np.uint8)
        for top in range(0, 2100, 300):
            writer.write(pixels[top : top + 300])
        writer.finish()

    with pytest.raises(OSError, match="no space"):
        write_all()
    assert not writer_threads()


def test_writer_is_closed_after_an_error():
    writer = PngWriter(FullDisk(100), 1000, 2000, 3, np.uint8)
    rows = random_picture(2000, 1000, 3, np.uint8)
    with pytest.raises(OSError, match="no space"):
        writer.write(rows)
    with pytest.raises(TilewrightError, match="closed"):
        writer.write(rows)
    with pytest.raises(TilewrightError, match="closed"):
        writer.finish()


def test_partial_write_of_the_target_is_an_error():
    class Raw(io.BytesIO):
        def write(self, data):
            return super().write(data[:5])

    with pytest.raises(TilewrightError, match="wrote only 5 of"):
        PngWriter(Raw(), 4, 4, 3, np.uint8)


def test_error_of_a_deflate_thread_is_raised_and_ends_the_threads(monkeypatch):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(png, "_deflate", fail)
    with pytest.raises(MemoryError, match="no room"):
        write(random_picture(2000, 1000, 3, np.uint8))
    assert not writer_threads()


def test_too_few_and_too_many_rows_are_refused():
    writer = PngWriter(io.BytesIO(), 5, 8, 3, np.uint8)
    rows = np.zeros((5, 5, 3), np.uint8)
    writer.write(rows)
    with pytest.raises(TilewrightError, match="has 8 rows; 5 were written, and 5 more do not fit"):
        writer.write(rows)
    writer.write(rows[:0])
    writer.write(rows[:2])
    with pytest.raises(TilewrightError, match="has 8 rows, only 7 were written"):
        writer.finish()
    with pytest.raises(TilewrightError, match="closed"):
        writer.write(rows[:1])


@pytest.mark.parametrize(
    ("pixels", "alpha", "message"),
    [
        (np.zeros((2, 5, 3), np.uint16), None, r"pixels must be uint8 of shape \[rows, 5, 4\], not uint16"),
        (np.zeros((2, 5, 3), np.uint8), None, r"shape \[rows, 5, 4\], not uint8 of shape \[2, 5, 3\]"),
        (np.zeros((2, 5), np.uint8), None, r"not uint8 of shape \[2, 5\]"),
        (np.zeros((2, 6, 4), np.uint8), None, r"not uint8 of shape \[2, 6, 4\]"),
        (np.zeros((2, 5, 4), np.uint8), np.zeros((2, 5), np.uint8), r"shape \[rows, 5, 3\]"),
        (np.zeros((2, 5, 3), np.uint8), np.zeros((3, 5), np.uint8), r"alpha must be uint8 of shape \[2, 5\]"),
        (np.zeros((2, 5, 3), np.uint8), np.zeros((2, 5), np.uint16), "alpha must be uint8 .*, not uint16"),
        (np.zeros((2, 5, 8), np.uint8)[:, :, ::2], None, "must have adjacent samples"),
    ],
)
def test_rows_of_wrong_shape_dtype_or_layout_are_refused(pixels, alpha, message):
    with PngWriter(io.BytesIO(), 5, 8, 4, np.uint8) as writer, pytest.raises(TilewrightError, match=message):
        writer.write(pixels, alpha)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "1 to 2147483647 pixels per side, not 0 x 2"),
        ({"height": 2**31}, "not 2 x 2147483648"),
        ({"channels": 5}, "1 to 4 channels, not 5"),
        ({"dtype": np.float32}, "uint8 or uint16, not float32"),
        ({"dtype": ">u2"}, "uint8 or uint16, not >u2"),
        ({"compression": "best"}, "one of fast, balanced, small, not 'best'"),
        ({"threads": 0}, "at least 1, not 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(EncodeError, match=message):
        PngWriter(io.BytesIO(), **{"width": 2, "height": 2, "channels": 3, "dtype": np.uint8} | arguments)


def test_encode_uses_the_compression_of_its_options():
    picture = Picture(lettering(200, 300, 3))
    for compression in COMPRESSIONS:
        assert encode(picture, "PNG", EncodeOptions(compression=compression)) == write(
            picture.pixels, compression=compression
        )
    assert encode(picture, "PNG") == write(picture.pixels)
