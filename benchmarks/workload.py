"""The workload of the benchmarks: one network, a number of threads, and a photograph of any size."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tilewright import Settings, Upscaler
from tilewright.codecs.decode import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright import ImageStore

NETWORK = "realesr-animevideov3"
FACTOR = 4
THREADS = 2

# A photograph by Stefan van der Walt, CC0.
PHOTO = Path(__file__).resolve().parents[1] / "docs" / "images" / "chelsea.png"


def open_upscaler(model: str | Path = NETWORK, *, tile: int | None = None, store: ImageStore | None = None) -> Upscaler:
    """Opens an Upscaler on `THREADS` threads of the CPU; `tile` and `store` are as in `Upscaler`."""
    settings = replace(Settings.from_environment(), threads=THREADS)
    return Upscaler(model=model, device="cpu", settings=settings, tile=tile, store=store)


def network_path() -> Path:
    """Returns the ONNX file of `NETWORK`, which the peers load too."""
    with open_upscaler() as upscaler:
        return upscaler.find(NETWORK, FACTOR).path


@functools.cache
def photo(side: int) -> NDArray[np.uint8]:
    """Returns the centre of the photograph, upscaled by the network as often as necessary.

    Args:
        side: Width and height in pixels; a power of two.

    Returns:
        ``[side, side, 3]``, read-only.
    """
    pixels = decode(PHOTO.read_bytes()).pixels
    start = side
    while start > min(pixels.shape[:2]):
        start //= FACTOR
    top, left = ((length - start) // 2 for length in pixels.shape[:2])
    pixels = np.ascontiguousarray(pixels[top : top + start, left : left + start])
    with open_upscaler() as upscaler:
        while len(pixels) < side:
            pixels = upscaler.upscale_array(pixels, FACTOR)
    pixels.flags.writeable = False
    return pixels


def photos(side: int, count: int) -> list[NDArray[np.uint8]]:
    """Returns `count` different pictures: rolled copies of `photo`."""
    return rolled_copies(photo(side), count)


def rolled_copies(picture: NDArray[np.uint8], count: int) -> list[NDArray[np.uint8]]:
    """Returns `count` different pictures made by rolling the rows and columns of one."""
    return [np.roll(picture, (37 * i, 91 * i), axis=(0, 1)) for i in range(count)]


def assert_close(got: NDArray[np.uint8], want: NDArray[np.uint8], *, mean: float, largest: int | None = None) -> None:
    """Checks that two implementations of a network agree up to rounding and tile padding.

    Args:
        got: Pixels of one implementation.
        want: Pixels of the other.
        mean: Allowed mean difference, in steps of 1/255.
        largest: Allowed largest difference, in steps of 1/255; `None` for no limit.
    """
    assert got.shape == want.shape
    difference = np.abs(got.astype(np.int16) - want)
    assert difference.mean() <= mean, f"mean difference {difference.mean():.3f} steps, allowed {mean}"
    assert largest is None or difference.max() <= largest, (
        f"largest difference {difference.max()} steps, allowed {largest}"
    )
