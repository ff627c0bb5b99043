"""What every runtime offers, and the conversions that every runtime needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.models.spec import ModelSpec


class Session(Protocol):
    """A network ready to run on one device.

    Attributes:
        spec: facts about the network.
        device: ``"cpu"`` or ``"cuda"``.
        runtime: name and version of what runs it.
        precision: arithmetic of the network, ``"fp32"`` or ``"bf16"``.
    """

    spec: ModelSpec
    device: str
    runtime: str
    precision: str

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Runs the network.

        Args:
            batch: ``[n, planes, height, width]``, C-contiguous, RGB or one plane, in the network's value range.

        Returns:
            ``[n, planes, height * scale, width * scale]``, C-contiguous; valid until the next call.

        Raises:
            InferenceError: the runtime failed.
        """
        ...


def to_graph(batch: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.floating]:
    """A batch as the graph takes it: its channel order, layout and element type."""
    graph: NDArray[np.floating] = batch[:, ::-1] if spec.channel_order == "BGR" else batch
    if spec.layout == "NHWC":
        graph = graph.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(graph, dtype=spec.dtype)


def from_graph(result: NDArray[np.floating], spec: ModelSpec) -> NDArray[np.float32]:
    """The reverse of `to_graph`."""
    if spec.layout == "NHWC":
        result = result.transpose(0, 3, 1, 2)
    if spec.channel_order == "BGR":
        result = result[:, ::-1]
    return np.ascontiguousarray(result, dtype=np.float32)
