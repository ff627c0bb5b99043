"""ONNX Runtime on arrays of the host: on the CPU, and as a base for what runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.engine.sessions.base import from_graph, goes_straight, new_result, to_graph, without_tail
from tilewright.errors import InferenceError, ModelError
from tilewright.runtimes import import_runtime, onnxruntime_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Runnable
    from tilewright.models.spec import Model


# Memory taken over the graph's own estimate. Seen for the networks of the catalog on the CPU: 1.04 to 1.75 (ONNX
# Runtime 1.31, 192 x 128 to 768 x 512 pixels).
MEMORY = 1.75


class OnnxRuntimeSession:
    """A network on ONNX Runtime, in float32. Any tile shape; results on the CPU do not depend on it."""

    device = "cpu"
    precision = "fp32"

    def __init__(self, model: Model, *, threads: int) -> None:
        """Opens the network.

        Args:
            model: the network.
            threads: threads of the CPU provider.

        Raises:
            DeviceError: the runtime cannot be loaded.
            ModelError: the runtime does not take the file.
        """
        options = onnxruntime_options()
        options.intra_op_num_threads = threads
        runnable = without_tail(model)
        try:
            session = import_runtime("onnxruntime").InferenceSession(
                runnable.network, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime raises classes of its own without a common base
            raise ModelError(f"ONNX Runtime does not take {model.path}: {error}", parameter="model") from error
        self._serve(model, runnable, session)

    def _serve(self, model: Model, runnable: Runnable, session: Any) -> None:
        """Takes a session that is open."""
        self._session = session
        self.spec = model.spec
        self.tail = runnable.tail
        self.activation_bytes = runnable.bytes_per_pixel * MEMORY
        self.runtime = f"onnxruntime {import_runtime('onnxruntime').__version__}"
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self._binds = goes_straight(model.spec) and self.device == "cpu"

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        graph_batch = to_graph(batch, self.spec)
        try:
            if self._binds:
                self._run_bound(graph_batch, result)
                return result
            values = self._session.run(None, {self._input: graph_batch})[0]
        except Exception as error:  # as above
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        from_graph(values, result, self.spec)
        return result

    def _run_bound(self, batch: NDArray[np.floating], result: NDArray[np.floating]) -> None:
        """Has the runtime write into `result`: no copy."""
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._input, batch)
        binding.bind_output(self._output, "cpu", 0, result.dtype.type, result.shape, result.ctypes.data)
        self._session.run_with_iobinding(binding)

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail)
