"""Converts between the arrays of the engine and of a graph: channel order, layout, type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewright.errors import InferenceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.models.spec import ModelSpec


def is_native_layout(spec: ModelSpec) -> bool:
    """Returns whether the graph uses the engine's layout: NCHW, RGB or one plane, float32.

    A runtime can then be bound to the engine's arrays without a copy.
    """
    return spec.layout == "NCHW" and spec.channel_order != "BGR" and spec.dtype == "float32"


def to_graph(batch: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.floating]:
    """Converts a batch ``[n, planes, height, width]`` to the graph's layout and element type."""
    graph: NDArray[np.floating] = batch[:, ::-1] if spec.channel_order == "BGR" else batch
    if spec.layout == "NHWC":
        graph = graph.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(graph, dtype=spec.dtype)


def from_graph(values: NDArray[np.floating], result: NDArray[np.floating], spec: ModelSpec) -> None:
    """Converts the graph's output back and writes it to `result`.

    Raises:
        InferenceError: The shapes differ.
    """
    if spec.layout == "NHWC":
        values = values.transpose(0, 3, 1, 2)
    check_result_shape(values.shape, result.shape, spec)
    np.copyto(result, values[:, ::-1] if spec.channel_order == "BGR" else values)


def check_result_shape(found: tuple[int, ...], expected: tuple[int, ...], spec: ModelSpec) -> None:
    """Checks the shape of a network's output.

    A mismatch means that the spec, which users may override, is wrong.

    Raises:
        InferenceError: The shapes differ.
    """
    if found != expected:
        raise InferenceError(f"{spec.name} returned shape {found}; by its spec it must be {expected}")
