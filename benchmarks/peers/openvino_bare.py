"""The bare network: the whole graph on the best runtime of this CPU, without a line of ours round it.

This is the floor that everything is compared with.
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

LABEL = "OpenVINO bf16, whole picture"
NAMED = "the bare network"


class BareNetwork:
    """The ONNX file as it is, in bf16 where the CPU has it."""

    def __init__(self, path: Path, *, threads: int) -> None:
        core = openvino.Core()
        self.precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        self._request = core.compile_model(core.read_model(path), "CPU", hints).create_infer_request()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 ``[1, 3, H, W]`` to float32 ``[1, 3, H * 4, W * 4]``, which holds until the next run."""
        result: NDArray[np.float32] = self._request.infer([batch], share_inputs=True, share_outputs=True)[0]
        return result


def opened(path: Path, *, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    network = BareNetwork(path, threads=threads)
    return lambda pixels: pixels_of(network.run(batch_of(pixels))[0])
