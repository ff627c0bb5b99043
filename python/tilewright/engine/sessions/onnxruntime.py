"""ONNX Runtime with arrays in host memory: on the CPU, and as base class for other devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tilewright.engine.sessions.base import new_result
from tilewright.engine.sessions.layout import from_graph, is_native_layout, to_graph
from tilewright.engine.sessions.prepare import prepare
from tilewright.errors import InferenceError, ModelError
from tilewright.runtimes import import_runtime, onnxruntime_options, open_onnx

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Streaming
    from tilewright.engine.sessions.prepare import RuntimeInput
    from tilewright.models.spec import Model


# Memory of the runtime relative to the estimate from the graph. Measured for the networks of the
# catalog on the CPU: 1.04 to 1.75 (ONNX Runtime 1.31, 192 x 128 to 768 x 512 pixels).
MEMORY_FACTOR = 1.75


class OnnxRuntimeSession:
    """A network on ONNX Runtime, in float32.

    It takes any tile shape. On the CPU, results do not depend on the shape.
    """

    device = "cpu"
    tensor_memory: Literal["host", "cuda"] = "host"
    precision = "fp32"
    ensemble = 1
    streaming: Streaming | None = None

    def __init__(self, model: Model, *, threads: int) -> None:
        """Opens the network.

        Args:
            model: The network.
            threads: Threads of the CPU provider.

        Raises:
            DeviceError: The runtime cannot be loaded.
            ModelError: The runtime does not accept the file.
        """
        options = onnxruntime_options()
        options.intra_op_num_threads = threads
        network = prepare(model)
        try:
            session = open_onnx(network.network, options)
        except Exception as error:  # the runtime's exceptions have no common base class
            raise ModelError(f"ONNX Runtime does not accept {model.path}: {error}", parameter="model") from error
        self._use(model, network, session)

    def _use(self, model: Model, network: RuntimeInput, session: Any) -> None:
        """Sets all attributes for an ``InferenceSession`` that is open."""
        self._session = session
        self.spec = model.spec
        self.tail = network.tail
        self.activation_bytes = network.bytes_per_pixel * MEMORY_FACTOR
        self.runtime = f"onnxruntime {import_runtime('onnxruntime').__version__}"
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self._can_bind = is_native_layout(model.spec) and self.device == "cpu"

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        graph_batch = to_graph(batch, self.spec)
        try:
            if self._can_bind:
                self._run_bound(graph_batch, result)
                return result
            values = self._session.run(None, {self._input: graph_batch})[0]
        except Exception as error:  # the runtime's exceptions have no common base class
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        from_graph(values, result, self.spec)
        return result

    def _run_bound(self, batch: NDArray[np.floating], result: NDArray[np.floating]) -> None:
        """Makes the runtime write into `result`, without a copy."""
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._input, batch)
        binding.bind_output(self._output, "cpu", 0, result.dtype.type, result.shape, result.ctypes.data)
        self._session.run_with_iobinding(binding)

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail)
