"""OpenVINO on CPU: the fastest runtime there, in bf16 where the CPU has it and the network bears it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.engine.sessions.base import (
    checked_shape,
    from_graph,
    goes_straight,
    new_result,
    to_graph,
    without_tail,
)
from tilewright.engine.sessions.precision import agree
from tilewright.errors import InferenceError, ModelError
from tilewright.runtimes import import_runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.models.spec import Model

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}

# Memory taken over the graph's own estimate, which counts float32. Seen for the networks of the catalog: 0.61 to 1.00
# in bf16, 0.81 to 1.75 in float32 (OpenVINO 2026.4, shapes left open, 192 x 128 to 768 x 512 pixels).
_MEMORY = {"fp32": 1.75, "bf16": 1.0}

# What OpenVINO prepares for a layer and a shape it keeps, 5000 of them if left alone: a third of a mebibyte for every
# new size of tiles of a small network. As networks have few kinds of layers, these are enough for the sizes that come
# in turn, and nothing is slower.
_KEPT = "64"


class OpenVinoSession:
    """A network on OpenVINO. Any tile shape: one compiled network serves all, as fast as one compiled for a shape."""

    device = "cpu"

    def __init__(self, model: Model, *, precision: str, threads: int) -> None:
        """Compiles the network.

        Args:
            model: the network.
            precision: ``"fp32"`` or ``"bf16"``.
            threads: threads of the runtime.

        Raises:
            DeviceError: the runtime cannot be loaded.
            ModelError: the runtime does not take the file.
        """
        openvino = import_runtime("openvino")
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
            "CPU_RUNTIME_CACHE_CAPACITY": _KEPT,
        }
        runnable = without_tail(model)
        # Of bf16 arithmetic float16 holds all that can be seen, in half the memory of float32.
        self._dtype = np.float16 if precision == "bf16" and goes_straight(model.spec) else np.float32
        try:
            network = _core().read_model(runnable.network)
            if self._dtype == np.float16:
                steps = openvino.preprocess.PrePostProcessor(network)
                steps.output().tensor().set_element_type(openvino.Type.f16)
                network = steps.build()
            compiled = _core().compile_model(network, "CPU", config)
        except Exception as error:  # the runtime raises plain RuntimeError and classes of its own
            raise ModelError(f"OpenVINO does not take {model.path}: {error}", parameter="model") from error
        self.spec = model.spec
        self.runtime = f"openvino {openvino.__version__.split('-')[0]}"
        self.precision = precision
        self.tail = runnable.tail
        self.activation_bytes = runnable.bytes_per_pixel * _MEMORY[precision]
        self._openvino = openvino
        self._request = compiled.create_infer_request()

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        openvino, request, spec = self._openvino, self._request, self.spec
        result = self.new_result(batch.shape) if result is None else result
        graph_batch = to_graph(batch, spec)  # held until the runtime has read it
        try:
            request.set_input_tensor(openvino.Tensor(graph_batch, shared_memory=True))
            if goes_straight(spec):
                request.set_output_tensor(openvino.Tensor(result, shared_memory=True))
            request.infer()
            output = request.get_output_tensor()
        except Exception as error:  # as above
            raise InferenceError(f"{spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        if goes_straight(spec):
            checked_shape(tuple(output.shape), result.shape, spec)
        else:
            from_graph(output.data, result, spec)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail, self._dtype)


def open_best(model: Model, *, threads: int) -> OpenVinoSession:
    """A session in bf16 when the CPU has it and it agrees with float32 on a natural patch, else in float32."""
    exact = OpenVinoSession(model, precision="fp32", threads=threads)
    if not cpu_has_bf16():
        return exact
    fast = OpenVinoSession(model, precision="bf16", threads=threads)
    return fast if agree(exact, fast) else exact


def cpu_has_bf16() -> bool:
    """Whether OpenVINO computes in bf16 on this CPU."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def _core() -> Any:
    return import_runtime("openvino").Core()
