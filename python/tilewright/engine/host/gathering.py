"""Gathers a tile or a band of a layer, as both loops do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright._core import gather

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tilewright._core import TilePlan
    from tilewright.engine.job import Job
    from tilewright.engine.layers import Layer


def gather_tile(job: Job, layer: Layer, plan: TilePlan, index: int, batch: NDArray[np.float32]) -> None:
    """Fills a batch ``[1, planes, tile height, tile width]`` with a tile of a layer, in the network's value range."""
    with job.report.stage("gather"):
        gather(layer.source, plan, index, batch, channels=layer.channels, value_range=job.session.spec.value_range)
