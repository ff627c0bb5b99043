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


def shuffle(values, scale):
    """Turns ``[planes * scale * scale, height, width]`` into ``[planes, height * scale, width * scale]``."""
    channels, height, width = values.shape
    squares = values.reshape(channels // scale**2, scale, scale, height, width)
    return squares.transpose(0, 3, 1, 4, 2).reshape(-1, height * scale, width * scale)


def reduce_axis(values, weights, first, source_scale, axis):
    """Filters one axis: result ``scale * m + i`` sums ``weights[i, t] * source[source_scale * m + first + t]``."""
    taps = weights.shape[1]
    length = values.shape[axis]
    origins = np.arange(length // source_scale) * source_scale + first
    places = np.clip(origins[:, None] + np.arange(taps), 0, length - 1)  # [m, taps]
    results = np.tensordot(values.take(places, axis), weights, ([axis + 1], [1]))  # the last axis is i
    results = np.moveaxis(results, -1, axis + 1)
    return results.reshape(*values.shape[:axis], -1, *values.shape[axis + 1 :])


def run_convolutions(graph, image):
    """Runs a `tilewright.models.graph.convolutions.ConvolutionList` on ``[planes, height, width]``, in float64."""
    image = (image + graph.offset[:, None, None].astype(np.float64)) * graph.factor[:, None, None]
    results = []
    for step in graph.steps:
        read = [image] if step.inputs is None else [results[each.step] for each in step.inputs]
        if step.inputs is not None:
            read = [enlarge(values) if each.enlarge else values for values, each in zip(read, step.inputs, strict=True)]
        values = convolve(np.concatenate(read), step.weights.astype(np.float64), step.bias)
        residuals = [(results[number], factor) for number, factor in step.residuals]
        results.append(activate(values, step.activation, step.slope, residuals))
    return results[-1]
