"""How close every network comes to photographs that were reduced to a quarter of their width."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.gallery.motifs import PHOTOGRAPHS, photograph
from benchmarks.gallery.sheets import networks
from tilewright import Upscaler

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FACTOR = 4


def psnr() -> dict[str, float]:
    """Returns the mean PSNR in dB for each network, and for bicubic interpolation.

    It is taken on the luma of BT.601, without a border of as many pixels as the factor.
    """
    originals = [_original(photograph(name)) for name in PHOTOGRAPHS]
    reduced = [each.resize((each.width // _FACTOR, each.height // _FACTOR)) for each in originals]
    enlarged = [small.resize((small.width * _FACTOR, small.height * _FACTOR)) for small in reduced]
    found = {"bicubic": _mean(originals, enlarged)}
    for name in networks(_FACTOR):
        with Upscaler(model=name, device="cpu", precision="fp32", store="memory://") as upscaler:
            results = [Image.fromarray(upscaler.upscale_array(np.asarray(small), _FACTOR)) for small in reduced]
        found[name] = _mean(originals, results)
    return found


def _original(picture: Image.Image) -> Image.Image:
    """Returns a picture without the pixels that no factor of it has."""
    return picture.crop((0, 0, picture.width // _FACTOR * _FACTOR, picture.height // _FACTOR * _FACTOR))


def _mean(originals: list[Image.Image], results: list[Image.Image]) -> float:
    pairs = zip(originals, results, strict=True)
    return round(statistics.mean(_psnr(_luma(original), _luma(result)) for original, result in pairs), 2)


def _psnr(original: NDArray[np.float64], result: NDArray[np.float64]) -> float:
    error = (original - result)[_FACTOR:-_FACTOR, _FACTOR:-_FACTOR]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def _luma(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture, np.float64) @ (0.299, 0.587, 0.114)
