"""The bare network: the whole ONNX graph on OpenVINO, without any code of the project.

It is the baseline of most benchmarks, and with conversions in NumPy one of the peers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import openvino

from peers.arrays import batch_of, pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

# Stored in result files.
NAME = "the bare network"


class BareNetwork:
    """An ONNX network on OpenVINO.

    Attributes:
        precision: ``"bf16"`` or ``"f32"``.
    """

    def __init__(self, source: Path | bytes, *, threads: int, precision: str | None = None) -> None:
        """Compiles the network.

        Args:
            source: An ONNX file or its content.
            threads: Threads of the runtime.
            precision: ``"bf16"`` or ``"f32"``; None for bf16 if the CPU supports it.
        """
        core = openvino.Core()
        best = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        self.precision = precision or best
        hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        self._request = core.compile_model(core.read_model(source), "CPU", hints).create_infer_request()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Runs the network.

        Args:
            batch: ``[1, 3, height, width]`` in 0..1.

        Returns:
            ``[1, 3, height * 4, width * 4]``, or whatever the network returns; valid until the next
            call.
        """
        result: NDArray[np.float32] = self._request.infer([batch], share_inputs=True, share_outputs=True)[0]
        return result


def load(path: Path, *, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Loads the network; see `peers`."""
    network = BareNetwork(path, threads=threads)
    return lambda pixels: pixels_of(network.run(batch_of(pixels))[0])
