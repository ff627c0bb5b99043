"""NIQE: how unlike a good photograph the statistics of a picture are (Mittal, Soundararajan and Bovik, "Making a
'Completely Blind' Image Quality Analyzer", 2013). Lower is better.

The implementation, and the statistics it compares with, are scikit-video's, the one that brings them along. It is older
than today's NumPy and SciPy, and gets back the names they have dropped since.
"""

from __future__ import annotations

import functools
import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The shortest side that the statistics can be taken of: two patches of 96 and a border.
SMALLEST = 194


def niqe(picture: NDArray[np.uint8]) -> float:
    """NIQE of the luminance of ``[height, width, 3]``, both sides at least `SMALLEST`."""
    luminance = np.asarray(Image.fromarray(picture).convert("L"))
    return float(_scikit_video()(luminance)[0])


def _imresize(picture: NDArray[np.float32], ratio: float, *, interp: str, mode: str) -> NDArray[np.float32]:
    """What SciPy had until version 1.2, as it is called there."""
    assert (interp, mode) == ("bicubic", "F")
    size = [int(length * ratio) for length in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture, mode="F").resize(size, Image.Resampling.BICUBIC))


@functools.cache
def _scikit_video() -> Any:
    vars(np).update(float=float, int=int)
    scipy.misc = sys.modules["scipy.misc"] = ModuleType("scipy.misc")
    scipy.misc.imresize = _imresize
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its docstrings have backslashes that mean nothing
        from skvideo.measure import niqe as computed

    return computed
