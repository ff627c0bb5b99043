"""Our own convolution engine, in float32."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tilewright._core import ConvNetwork, ConvStream
from tilewright.engine.sessions.base import new_result
from tilewright.engine.sessions.layout import is_native_layout
from tilewright.engine.sessions.prepare import split_tail
from tilewright.errors import InferenceError
from tilewright.models.graph.convolutions import UnsupportedGraphError, exact_halo, list_convolutions

# Side of the squares of results that Winograd's algorithm computes.
_GRID = 4

# Width and height of a tile for which the memory per pixel is typical.
_USUAL_SIDE = 512

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import RowStream, Streaming
    from tilewright.models.graph.convolutions import ConvolutionList
    from tilewright.models.spec import Model


class NativeSession:
    """A network on our own engine."""

    device = "cpu"
    tensor_memory: Literal["host", "cuda"] = "host"
    ensemble = 1
    precision = "fp32"
    runtime = "native"

    def __init__(self, model: Model, *, threads: int, isa: str | None = None) -> None:
        """Transforms the weights.

        Args:
            model: The network.
            threads: Threads of the engine.
            isa: Instruction set; None means the best one.

        Raises:
            ModelError: The file is not a valid ONNX file.
            UnsupportedGraphError: The engine does not support the network.
        """
        if not is_native_layout(model.spec):
            raise UnsupportedGraphError(f"the layout of {model.spec.name} is not supported")
        graph, self.tail = split_tail(model)
        convolutions = list_convolutions(graph)
        # A network whose tiles are cross-faded is not exact anyway.
        halo = model.spec.halo if model.spec.feather else max(model.spec.halo, exact_halo(convolutions.steps))
        self.spec = replace(model.spec, halo=halo, grid=_GRID)
        network = _build(convolutions, threads, isa)
        self.streaming: Streaming | None = _NativeStreaming(network)
        self._stream = ConvStream(network)
        self.activation_bytes = network.tensor_bytes(_USUAL_SIDE, _USUAL_SIDE) / _USUAL_SIDE**2

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        try:
            self._stream.run(batch, result)
        except ValueError as error:
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail)


class _NativeStreaming:
    """See `tilewright.engine.sessions.base.Streaming`."""

    def __init__(self, network: ConvNetwork) -> None:
        self._network = network

    def band(self, height: int, width: int) -> int:
        return self._network.band(height, width)

    def stream_bytes(self, height: int, width: int) -> int:
        return self._network.tensor_bytes(height, width)

    def open_stream(self, height: int, width: int) -> RowStream:
        stream = ConvStream(self._network)
        stream.start(height, width)
        return stream


def _build(convolutions: ConvolutionList, threads: int, isa: str | None) -> ConvNetwork:
    network = ConvNetwork(convolutions.planes, threads=threads, isa=isa)
    network.set_input_transform(convolutions.offset.tolist(), convolutions.factor.tolist())
    for step in convolutions.steps:
        network.add_step(
            None if step.inputs is None else [(each.step, each.enlarge) for each in step.inputs],
            weights=step.weights,
            bias=step.bias.tolist(),
            activation=step.activation,
            slope=[] if step.slope is None else step.slope.tolist(),
            residuals=step.residuals,
        )
    return network
