"""OpenVINO, the fastest runtime on CPUs, in bf16 or float32."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tilewright.engine.sessions.base import new_result
from tilewright.engine.sessions.layout import check_result_shape, from_graph, is_native_layout, to_graph
from tilewright.engine.sessions.precision import passes_gate
from tilewright.engine.sessions.prepare import prepare
from tilewright.errors import InferenceError, ModelError
from tilewright.runtimes import import_runtime, use_process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Streaming
    from tilewright.models.spec import Model

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}

# Memory of the runtime relative to the estimate from the graph, which counts float32. Measured for
# the networks of the catalog: 0.61 to 1.00 in bf16, 0.81 to 1.75 in float32 (OpenVINO 2026.4,
# dynamic shapes, 192 x 128 to 768 x 512 pixels).
_MEMORY_FACTORS = {"fp32": 1.75, "bf16": 1.0}

# OpenVINO caches what it prepares for each layer and shape, 5000 entries by default: 1/3 MiB for
# every new tile size of a small network. Networks have few kinds of layers, so 64 entries cover the
# sizes in use without any loss of speed.
_CACHE_CAPACITY = "64"

MAX_NODES = 5000
"""Most nodes of a network. OpenVINO compiles a chain of nodes in time that grows with the square of its
length: 2,000 nodes in 1 s, 20,000 in over a minute, and nothing can end it. ONNX Runtime opens
20,000 nodes in 2 s. The longest network of the catalog has 1,000.
"""


class LongGraphError(ModelError):
    """The network has too many nodes for OpenVINO."""


class OpenVinoSession:
    """A network on OpenVINO, compiled once for all tile shapes.

    It is as fast as a network that is compiled for a single shape.
    """

    device = "cpu"
    tensor_memory: Literal["host", "cuda"] = "host"
    ensemble = 1
    streaming: Streaming | None = None

    def __init__(self, model: Model, *, precision: str, threads: int) -> None:
        """Compiles the network.

        Args:
            model: The network.
            precision: ``"fp32"`` or ``"bf16"``.
            threads: Threads of the runtime.

        Raises:
            DeviceError: The runtime cannot be loaded.
            LongGraphError: The network has more than `MAX_NODES` nodes.
            ModelError: The runtime does not accept the file.
        """
        openvino = import_runtime("openvino")
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
            "CPU_RUNTIME_CACHE_CAPACITY": _CACHE_CAPACITY,
        }
        prepared = prepare(model)
        if prepared.nodes > MAX_NODES:
            raise LongGraphError(
                f"{model.path} has {prepared.nodes} nodes, more than {MAX_NODES}, for which OpenVINO takes very long",
                parameter="model",
            )
        # float16 holds every visible digit of bf16 results, in half the memory of float32.
        self._dtype = np.float16 if precision == "bf16" and is_native_layout(model.spec) else np.float32
        try:
            network = _core().read_model(prepared.network)
            if self._dtype == np.float16:
                steps = openvino.preprocess.PrePostProcessor(network)
                steps.output().tensor().set_element_type(openvino.Type.f16)
                network = steps.build()
            compiled = _core().compile_model(network, "CPU", config)
        except Exception as error:  # the runtime raises RuntimeError and classes of its own
            raise ModelError(f"OpenVINO does not accept {model.path}: {error}", parameter="model") from error
        self.spec = model.spec
        self.runtime = f"openvino {openvino.__version__.split('-')[0]}"
        self.precision = precision
        self.tail = prepared.tail
        self.activation_bytes = prepared.bytes_per_pixel * _MEMORY_FACTORS[precision]
        self._openvino = openvino
        self._request = compiled.create_infer_request()

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        openvino, request, spec = self._openvino, self._request, self.spec
        result = self.new_result(batch.shape) if result is None else result
        graph_batch = to_graph(batch, spec)  # must live until the runtime has read it
        try:
            request.set_input_tensor(openvino.Tensor(graph_batch, shared_memory=True))
            if is_native_layout(spec):
                request.set_output_tensor(openvino.Tensor(result, shared_memory=True))
            request.infer()
            output = request.get_output_tensor()
        except Exception as error:  # the runtime raises RuntimeError and classes of its own
            raise InferenceError(f"{spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        if is_native_layout(spec):
            check_result_shape(tuple(output.shape), result.shape, spec)
        else:
            from_graph(output.data, result, spec)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail, self._dtype)


def open_fastest(model: Model, *, threads: int) -> OpenVinoSession:
    """Opens a session: bf16 if the CPU has it and the network passes the gate, else float32."""
    exact = OpenVinoSession(model, precision="fp32", threads=threads)
    if not cpu_has_bf16():
        return exact
    fast = OpenVinoSession(model, precision="bf16", threads=threads)
    return fast if passes_gate(exact, fast) else exact


def cpu_has_bf16() -> bool:
    """Returns whether OpenVINO computes in bf16 on this CPU."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def _core() -> Any:
    openvino = import_runtime("openvino")
    use_process()
    return openvino.Core()
