"""What is measured: one network, its threads, and a photograph of any size."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright import Settings, Upscaler
from tilewright.codecs.decode import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

NETWORK = "realesr-animevideov3"
FACTOR = 4
THREADS = 2

# A photograph by Stefan van der Walt, CC0.
_SOURCE = Path(__file__).resolve().parents[1] / "docs" / "images" / "chelsea.png"


def opened(model: str | Path = NETWORK, **options: Any) -> Upscaler:
    settings = replace(Settings.from_environment(), threads=THREADS)
    return Upscaler(model=model, device="cpu", settings=settings, **options)


def network_path() -> Path:
    """The ONNX file, as every other way round it is given it."""
    with opened() as upscaler:
        return upscaler.find(NETWORK, FACTOR).path


@functools.cache
def photo(side: int) -> NDArray[np.uint8]:
    """A square of a photograph, enlarged by the network as often as it takes.

    Args:
        side: a power of two.

    Returns:
        Pixels, not to be changed.
    """
    pixels = decode(_SOURCE.read_bytes()).pixels
    start = side
    while start > min(pixels.shape[:2]):
        start //= FACTOR
    top, left = ((length - start) // 2 for length in pixels.shape[:2])
    pixels = np.ascontiguousarray(pixels[top : top + start, left : left + start])
    with opened() as upscaler:
        while len(pixels) < side:
            pixels = upscaler.upscale_array(pixels, FACTOR)
    pixels.flags.writeable = False
    return pixels


def photos(side: int, count: int) -> list[NDArray[np.uint8]]:
    """`count` different ones."""
    picture = photo(side)
    return [np.roll(picture, (37 * i, 91 * i), axis=(0, 1)) for i in range(count)]


def check_alike(got: NDArray[np.uint8], want: NDArray[np.uint8], *, mean: float, most: int | None = None) -> None:
    """Two ways of one network must agree but for rounding, and for what their tiles see of their surroundings.

    Args:
        got: pixels.
        want: of the other way.
        mean: largest mean difference, in steps of 1/255.
        most: largest difference; None for any.
    """
    assert got.shape == want.shape
    difference = np.abs(got.astype(np.int16) - want)
    assert difference.mean() <= mean, f"mean difference {difference.mean():.3f} steps, allowed {mean}"
    assert most is None or difference.max() <= most, f"largest difference {difference.max()} steps, allowed {most}"
