"""ONNX Runtime: its defaults, and memory for the result that is used again in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from peers.graphs.graph import Graph, Run


def load(graph: Graph, *, threads: int) -> Run:
    """Loads the network; see `peers.graphs`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = graph.model.SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    result = np.empty(graph.result_shape, np.float32)
    binding = session.io_binding()
    output = session.get_outputs()[0].name
    binding.bind_output(output, "cpu", 0, np.float32, result.shape, result.ctypes.data)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        binding.bind_cpu_input(session.get_inputs()[0].name, batch)
        session.run_with_iobinding(binding)
        return result

    return run
