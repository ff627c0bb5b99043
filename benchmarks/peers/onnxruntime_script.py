"""A common script for ONNX files: tiles of 512 with 10 pixels of padding, conversions in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from peers.arrays import run_in_tiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

TILE, PAD, SCALE = 512, 10, 4


def load(path: Path, *, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Loads the network; see `peers`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = np.transpose(part.astype(np.float32) / 255, (2, 0, 1))[None]
        return np.transpose(session.run(None, {name: np.ascontiguousarray(batch)})[0][0], (1, 2, 0))

    def upscale(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        result = run_in_tiles(pixels, run, SCALE, tile=TILE, pad=PAD)  # float32, as such scripts have it
        return (np.clip(result, 0, 1) * 255).round().astype(np.uint8)

    return upscale
