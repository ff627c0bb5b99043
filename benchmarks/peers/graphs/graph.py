"""A network in the forms that the runtimes take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from peers.graphs.ncnn_files import from_onnx

if TYPE_CHECKING:
    import onnx

# Takes a batch ``[1, 3, height, width]`` in 0..1 and returns the result ``[1, planes, rows, columns]``,
# which is valid until the next call.
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Graph:
    """A network without its tail, for pictures of one size.

    Attributes:
        model: The network as ONNX.
        result_shape: ``(1, planes, rows, columns)``.
        original: Content of the ``.param`` and ``.bin`` file of its authors; None if they have none.
    """

    model: onnx.ModelProto
    result_shape: tuple[int, ...]
    original: tuple[str, bytes] | None = None

    def ncnn_files(self) -> tuple[str, bytes]:
        """Returns the content of the ``.param`` and the ``.bin`` file for ncnn."""
        return self.original or from_onnx(self.model)
