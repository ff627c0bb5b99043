"""OpenVINO: float32 or bf16, latency mode, results read where the runtime wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers.openvino_bare import BareNetwork

if TYPE_CHECKING:
    from peers.graphs.graph import Graph, Run


def load(graph: Graph, *, threads: int, precision: str) -> Run:
    """Loads the network; see `peers.graphs`.

    Args:
        graph: The network.
        threads: Threads of the runtime.
        precision: ``"f32"`` or ``"bf16"``.
    """
    return BareNetwork(graph.model.SerializeToString(), threads=threads, precision=precision).run
