"""ncnn: its defaults, which are float32 and Winograd convolutions, on the whole picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ncnn
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from peers.graphs.graph import Graph, Run


def load(graph: Graph, *, threads: int) -> Run:
    """Loads the network; see `peers.graphs`. The number of pixels must be a multiple of 4."""
    param, weights = graph.ncnn_files()
    net = ncnn.Net()
    net.opt.num_threads = threads
    assert net.load_param_mem(param) == 0
    net.load_model_mem(weights)
    name = _end_of_network(param)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(batch[0]))
        status, result = extractor.extract(name)
        assert status == 0
        return np.asarray(result)[None]

    return run


def _end_of_network(param: str) -> str:
    """Returns the name of the result before a pixel shuffle; ncnn computes only what that needs."""
    shuffles = [line.split() for line in param.splitlines() if line.startswith("PixelShuffle")]
    return shuffles[-1][4] if shuffles else "output"
