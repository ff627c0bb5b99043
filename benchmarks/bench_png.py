"""How fast are the PNG writer and its two kernels, and how large are its files?

The picture is what is mostly written: a photograph enlarged by a network.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
from isal import isal_zlib
from PIL import Image

import memcpy
from support import reference
from tilewright import Settings, Upscaler, _core
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from turns import InTurns

    Encoder = Callable[[NDArray[np.uint8]], bytes]

# A photograph by Stefan van der Walt, CC0.
SOURCE = Path(__file__).resolve().parents[1] / "docs" / "images" / "chelsea.png"
NETWORK = "realesr-animevideov3"
FACTOR = 4
PICTURES = 5


@pytest.fixture(scope="module")
def pictures(smoke: bool) -> list[NDArray[np.uint8]]:
    small = decode(SOURCE.read_bytes()).pixels
    if smoke:
        small = small[:24, :40]
    settings = replace(Settings.from_environment(), threads=2)
    with Upscaler(model=NETWORK, device="cpu", settings=settings) as upscaler:
        large = upscaler.upscale_array(small, FACTOR)
    return [np.roll(large, (37 * i, 91 * i), axis=(0, 1)) for i in range(PICTURES)]


@pytest.mark.parametrize("isa", _core.available_isas())
def bench_filter(benchmark: BenchmarkFixture, in_turns: InTurns, pictures: list[NDArray[np.uint8]], isa: str) -> None:
    """RGB of 8 bits."""
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
    against = memcpy.copy_of(moved, PICTURES)
    in_turns(step, label=isa, against=against, named=memcpy.NAMED, rounds=20, bytes_moved=moved)


def bench_deflate(benchmark: BenchmarkFixture, in_turns: InTurns, pictures: list[NDArray[np.uint8]]) -> None:
    """What the filter leaves of the pictures, on one core."""
    height, width, channels = pictures[0].shape
    rows = [np.empty((height, 1 + width * channels), np.uint8) for _ in pictures]
    for picture, filtered in zip(pictures, rows, strict=True):
        _core.png_filter(picture, np.zeros(width * channels, np.uint8), filtered)

    def runs(number: int) -> bytes:
        return _core.deflate_runs(rows[number % PICTURES].reshape(-1))

    def isal(number: int) -> bytes:
        compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        return compressor.compress(rows[number % PICTURES].data) + compressor.flush()

    for number, filtered in enumerate(rows):
        assert isal_zlib.decompress(runs(number) + b"\3\0", -15) == filtered.tobytes()
        assert isal_zlib.decompress(isal(number), -15) == filtered.tobytes()

    benchmark.group = f"deflate filtered rows, {width} × {height}"
    benchmark.extra_info["size_ratio"] = len(runs(0)) / len(isal(0))
    in_turns(runs, label="runs", against=isal, named="ISA-L level 1", rounds=15)


def pillow(level: int) -> Encoder:
    def save(picture: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG", compress_level=level)
        return file.getvalue()

    return save


def libvips(picture: NDArray[np.uint8]) -> bytes:
    height, width, channels = picture.shape
    image = pyvips.Image.new_from_memory(picture.data, width, height, channels, "uchar")
    return bytes(image.copy(interpretation="srgb").pngsave_buffer(compression=2, filter="up"))


OTHERS: dict[str, Encoder] = {
    "Pillow's default": pillow(6),
    "Pillow at level 1": pillow(1),
    "libvips at level 2, filter up": libvips,
}


@pytest.mark.parametrize("other", OTHERS)
def bench_encoder(
    benchmark: BenchmarkFixture, in_turns: InTurns, pictures: list[NDArray[np.uint8]], other: str
) -> None:
    """As `encode` writes it: compression "fast", two threads."""
    encode_other = OTHERS[other]
    for picture in pictures:
        np.testing.assert_array_equal(decode(encode(Picture(picture), "PNG")).pixels, picture)
        np.testing.assert_array_equal(decode(encode_other(picture)).pixels, picture)

    height, width, _ = pictures[0].shape
    benchmark.group = f"PNG file, {width} × {height}"
    benchmark.extra_info["size_ratio"] = len(encode(Picture(pictures[0]), "PNG")) / len(encode_other(pictures[0]))
    in_turns(
        lambda number: encode(Picture(pictures[number % PICTURES]), "PNG"),
        label="ours",
        against=lambda number: encode_other(pictures[number % PICTURES]),
        named=other,
        rounds=9,
    )
