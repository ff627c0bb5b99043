"""Speed of the PNG encoder and its two kernels, and the size of its files.

The pictures are typical of the encoder's input: a photograph upscaled by a network.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
from isal import isal_zlib
from PIL import Image

import memcpy
import workload
from interleaved import Baseline
from support import reference
from tilewright import _core
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer

    Encoder = Callable[[NDArray[np.uint8]], bytes]

PICTURES = 5


@pytest.fixture(scope="module")
def pictures(smoke: bool) -> list[NDArray[np.uint8]]:
    """Pictures, ``[1200, 1804, 3]``."""
    small = decode(workload.PHOTO.read_bytes()).pixels
    if smoke:
        small = small[:24, :40]
    with workload.open_upscaler() as upscaler:
        large = upscaler.upscale_array(small, workload.FACTOR)
    return workload.rolled_copies(large, PICTURES)


@pytest.mark.parametrize("isa", _core.available_isas())
def bench_filter(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, pictures: list[NDArray[np.uint8]], isa: str
) -> None:
    """The row filter on RGB of 8 bits."""
    height, width, channels = pictures[0].shape
    above = np.zeros(width * channels, np.uint8)
    filtered = [np.empty((height, 1 + width * channels), np.uint8) for _ in pictures]

    def step(number: int) -> None:
        above[:] = 0
        _core.png_filter(pictures[number % PICTURES], above, filtered[number % PICTURES], isa=isa)

    for number, picture in enumerate(pictures):
        step(number)
        want = reference.png_filter(reference.png_bytes(picture), np.zeros_like(above), channels)
        np.testing.assert_array_equal(filtered[number], want)

    benchmark.group = f"PNG filter uint8, {width} × {height}"
    moved = pictures[0].nbytes + filtered[0].nbytes
    baseline = memcpy.copy_baseline(moved, PICTURES)
    time_interleaved(step, label=isa, baseline=baseline, rounds=20, bytes_moved=moved)


def bench_deflate(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, pictures: list[NDArray[np.uint8]]
) -> None:
    """Compression of filtered rows on one core."""
    height, width, channels = pictures[0].shape
    rows = [np.empty((height, 1 + width * channels), np.uint8) for _ in pictures]
    for picture, filtered in zip(pictures, rows, strict=True):
        _core.png_filter(picture, np.zeros(width * channels, np.uint8), filtered)

    def deflate(number: int) -> bytes:
        return _core.deflate_runs(rows[number % PICTURES].reshape(-1))

    def deflate_by_isal(number: int) -> bytes:
        compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        return compressor.compress(rows[number % PICTURES].data) + compressor.flush()

    for number, filtered in enumerate(rows):
        assert isal_zlib.decompress(deflate(number) + b"\3\0", -15) == filtered.tobytes()
        assert isal_zlib.decompress(deflate_by_isal(number), -15) == filtered.tobytes()

    benchmark.group = f"deflate filtered rows, {width} × {height}"
    benchmark.extra_info["size_ratio"] = len(deflate(0)) / len(deflate_by_isal(0))
    time_interleaved(deflate, label="runs", baseline=Baseline("ISA-L level 1", deflate_by_isal), rounds=15)


def pillow_encoder(level: int) -> Encoder:
    """Returns Pillow's encoder at a compression level."""

    def save(picture: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG", compress_level=level)
        return file.getvalue()

    return save


def encode_by_libvips(picture: NDArray[np.uint8]) -> bytes:
    """Encodes by libvips at level 2 with the filter "up"."""
    height, width, channels = picture.shape
    image = pyvips.Image.new_from_memory(picture.data, width, height, channels, "uchar")
    return bytes(image.copy(interpretation="srgb").pngsave_buffer(compression=2, filter="up"))


OTHERS: dict[str, Encoder] = {
    "Pillow's default": pillow_encoder(6),
    "Pillow at level 1": pillow_encoder(1),
    "libvips at level 2, filter up": encode_by_libvips,
}


@pytest.mark.parametrize("other", OTHERS)
def bench_encoder(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, pictures: list[NDArray[np.uint8]], other: str
) -> None:
    """`encode` with its default compression, "fast", on two threads."""
    encode_other = OTHERS[other]
    for picture in pictures:
        np.testing.assert_array_equal(decode(encode(Picture(picture), "PNG")).pixels, picture)
        np.testing.assert_array_equal(decode(encode_other(picture)).pixels, picture)

    height, width, _ = pictures[0].shape
    benchmark.group = f"PNG file, {width} × {height}"
    benchmark.extra_info["size_ratio"] = len(encode(Picture(pictures[0]), "PNG")) / len(encode_other(pictures[0]))
    time_interleaved(
        lambda number: encode(Picture(pictures[number % PICTURES]), "PNG"),
        label="ours",
        baseline=Baseline(other, lambda number: encode_other(pictures[number % PICTURES])),
        rounds=9,
    )
