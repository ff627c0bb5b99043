"""A plain NumPy version of the convolution engine, in float64."""

from __future__ import annotations

import numpy as np


def convolve(values, weights, bias):
    """Convolves ``[channels, height, width]`` with stride 1 and zero padding that preserves the size."""
    side = weights.shape[2]
    padded = np.pad(values, [(0, 0), (side // 2, side // 2), (side // 2, side // 2)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    return np.einsum("chwij,ocij->ohw", windows, weights, optimize=True) + bias[:, None, None]


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def activate(values, activation, slope, residuals):
    """Applies an activation and adds residuals: pairs of an array and a factor."""
    if activation == "prelu":
        values = np.where(values > 0, values, values * np.asarray(slope)[:, None, None])
    elif activation == "silu":
        values = values * sigmoid(values)
    elif activation == "attention":
        (residual, _), *residuals = residuals
        values = (values + residual) * (sigmoid(values) - 0.5)
    for residual, factor in residuals:
        values = values * factor + residual
    return values


def enlarge(values):
    """Repeats every pixel as a square of 2 x 2."""
    return values.repeat(2, axis=1).repeat(2, axis=2)
