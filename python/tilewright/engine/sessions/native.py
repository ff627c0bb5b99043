"""Our own convolution engine, in float32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tilewright._core import ConvNetwork, ConvStream
from tilewright.engine.sessions.base import new_result
from tilewright.engine.sessions.layout import is_native_layout
from tilewright.errors import DeviceError, InferenceError
from tilewright.models.graph.convolutions import UnsupportedGraphError, exact_halo, list_convolutions
from tilewright.models.graph.rescale import cut_rescale, input_weights, rescale_support
from tilewright.models.graph.tail import cut_tail
from tilewright.models.inspect import load_onnx
from tilewright.runtimes import use_process

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import RowStream, Streaming
    from tilewright.models.graph.convolutions import ConvolutionList
    from tilewright.models.spec import Model, Tail

# Side of the squares of results that Winograd's algorithm computes.
_GRID = 4

# Width and height of a tile whose band is the whole tile. That takes the most memory per pixel; the
# engine takes bands of fewer rows where that saves memory.
_SMALL_SIDE = 128

# Streams of at most this memory are kept for the next picture.
_KEPT_BYTES = 64 * 2**20


class NativeSession:
    """A network on our own engine.

    Attributes:
        network: The engine's network.
        tile_stream: Runs batches, and keeps its memory from one to the next; None if none has run.
    """

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
            DeviceError: This process was forked from one that had opened a network, or the threads
                cannot be started.
            ModelError: The file is not a valid ONNX file.
            UnsupportedGraphError: The engine does not support the network.
        """
        if not is_native_layout(model.spec):
            raise UnsupportedGraphError("only float32 networks with NCHW layout and RGB or grey input are supported")
        graph, self.tail, rescale = _split(model)
        convolutions = list_convolutions(graph)
        halo = exact_halo(convolutions.steps) + (rescale_support(*rescale.factors) if rescale else 0)
        # A network whose tiles are cross-faded is not exact anyway.
        halo = model.spec.halo if model.spec.feather else max(model.spec.halo, halo)
        # The engine takes pictures of any size, whatever the file says.
        self.spec = replace(model.spec, halo=halo, grid=_GRID, fixed_size=None, multiple_of=1, minimum=1)
        if threads > 1:
            use_process()  # threads do not survive a fork
        try:
            network = _build(convolutions, threads, isa)
            if rescale is not None:
                rescale.apply(network)
        except ValueError as error:  # such as more inputs of a layer than the kernels take
            raise UnsupportedGraphError(str(error)) from error
        except RuntimeError as error:
            raise DeviceError(f"the threads of the native engine cannot be started: {error}") from error
        self.streaming: Streaming | None = _NativeStreaming(self)
        self.network = network
        self.tile_stream: ConvStream | None = None
        self.activation_bytes = network.tensor_bytes(_SMALL_SIDE, _SMALL_SIDE) / _SMALL_SIDE**2

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        stream = self.tile_stream = self.tile_stream or ConvStream(self.network)
        try:
            stream.run(batch, result)
        except ValueError as error:
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail)


class _NativeStreaming:
    """See `tilewright.engine.sessions.base.Streaming`."""

    def __init__(self, session: NativeSession) -> None:
        self._session = session
        self._kept: list[ConvStream] = []

    def band(self, height: int, width: int) -> int:
        return self._session.network.band(height, width)

    def stream_bytes(self, height: int, width: int) -> int:
        return self._session.network.tensor_bytes(height, width)

    def open_stream(self, height: int, width: int) -> RowStream:
        self._session.tile_stream = None  # frees the memory of earlier tiles
        # Memory of small pictures is used again: many of them would fragment the process's memory.
        finished = [stream for stream in self._kept if stream.is_done]
        stream = finished[0] if finished else ConvStream(self._session.network)
        self._kept = finished[1:2]
        stream.start(height, width)
        if self.stream_bytes(height, width) <= _KEPT_BYTES:
            self._kept.append(stream)
        return stream


@dataclass(frozen=True, slots=True)
class _Rescale:
    """A rescale at the end of a network, and the tail before it."""

    factors: tuple[int, int]
    tail: Tail | None

    def apply(self, network: ConvNetwork) -> None:
        from_scale, to_scale = self.factors
        weights, first = input_weights(from_scale, to_scale)
        network.set_rescale(
            source_scale=from_scale,
            weights=weights.astype(np.float32),
            first=first,
            shuffles=self.tail is not None,
            adds_image=self.tail is not None and self.tail.adds_input,
        )


def _split(model: Model) -> tuple[onnx.ModelProto, Tail | None, _Rescale | None]:
    """Splits a network into its convolutions, a tail for the canvas, and a rescale for the engine."""
    whole = load_onnx(model.path)
    network, scale, rescaled_scale = cut_rescale(whole) or (whole, model.spec.scale, None)
    head, tail = cut_tail(network, scale) or (network, None)
    if rescaled_scale is None:
        return head, tail, None
    return head, None, _Rescale((scale, rescaled_scale), tail)


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
