"""Our own convolution engine, in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tilewright import _core
from tilewright.engine.sessions.base import new_result
from tilewright.engine.sessions.layout import is_native_layout
from tilewright.engine.sessions.prepare import split_tail
from tilewright.errors import InferenceError
from tilewright.models.graph.convolutions import UnsupportedGraphError, list_convolutions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.models.graph.convolutions import Convolution, ConvolutionList
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
        self.spec = model.spec
        self._network = _build(convolutions, threads, isa)
        size = 1024
        self.activation_bytes = self._network.tensor_bytes(size, size) / size**2

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        try:
            self._network.run(batch, result)
        except ValueError as error:
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail)


@dataclass(slots=True)
class _Tensor:
    """A tensor of the engine, which holds the results of several steps one after another."""

    channels: int
    scale: int
    free: bool = False


def _build(convolutions: ConvolutionList, threads: int, isa: str | None) -> _core.ConvNetwork:
    steps = convolutions.steps
    tensors, places = plan_tensors(steps)
    network = _core.ConvNetwork(convolutions.planes, threads=threads, isa=isa)
    network.set_input_transform(convolutions.offset.tolist(), convolutions.factor.tolist())
    for channels, scale in tensors:
        network.add_tensor(channels, scale)
    for step, place in zip(steps, places, strict=True):
        inputs = step.inputs and [(places[each.step], each.channels, each.enlarge) for each in step.inputs]
        network.add_step(
            inputs,
            output=place,
            weights=step.weights,
            bias=step.bias.tolist(),
            activation=step.activation,
            slope=[] if step.slope is None else step.slope.tolist(),
            residuals=[(places[each], factor) for each, factor in step.residuals or []],
        )
    return network


def plan_tensors(steps: list[Convolution]) -> tuple[list[tuple[int, int]], list[int]]:
    """Assigns the results of steps to as few tensors as possible.

    A result's tensor is free again after the last step that reads it. A step may write the tensor
    of a residual that no later step reads, because it reads and writes the same pixel.

    Returns:
        Channels and scale of each tensor, and for each step the index of its tensor.
    """
    last_use = list(range(len(steps)))
    for index, step in enumerate(steps):
        for read in [*(each.step for each in step.inputs or []), *(each for each, _ in step.residuals or [])]:
            last_use[read] = index
    tensors: list[_Tensor] = []
    places: list[int] = []
    for index, step in enumerate(steps):
        inputs = {each.step for each in step.inputs or []}
        for earlier in range(index):
            if last_use[earlier] < index or (last_use[earlier] == index and earlier not in inputs):
                tensors[places[earlier]].free = all(
                    last_use[other] < index or (last_use[other] == index and other not in inputs)
                    for other in range(index)
                    if places[other] == places[earlier]
                )
        channels = len(step.bias)
        candidates = [i for i, tensor in enumerate(tensors) if tensor.free and tensor.scale == step.scale]
        if candidates:
            chosen = min(candidates, key=lambda i: (abs(tensors[i].channels - channels), i))
            tensors[chosen].channels = max(tensors[chosen].channels, channels)
        else:
            chosen = len(tensors)
            tensors.append(_Tensor(channels, step.scale))
        tensors[chosen].free = False
        places.append(chosen)
    return [(tensor.channels, tensor.scale) for tensor in tensors], places
