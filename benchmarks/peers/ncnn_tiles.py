"""ncnn with the weights' own files, float32 and Winograd, which is its default: tiles of 200 with 10 pixels of padding.

Tile and padding are those of realesrgan-ncnn, which has no build for CPUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ncnn
import numpy as np

from peers.arrays import pixels_of, tiled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

LABEL = "ncnn"
TILE, PAD, SCALE = 200, 10, 4


def network(param: Path, **options: object) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """The weights' own files, for a whole picture; `options` are those of `ncnn.Net`."""
    net = ncnn.Net()
    for name, value in options.items():
        setattr(net.opt, name, value)
    assert net.load_param(str(param)) == 0
    assert net.load_model(str(param.with_suffix(".bin"))) == 0

    def run(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width, _ = part.shape
        batch = ncnn.Mat.from_pixels(np.ascontiguousarray(part), ncnn.Mat.PixelType.PIXEL_RGB, width, height)
        batch.substract_mean_normalize([], [1 / 255] * 3)
        extractor = net.create_extractor()
        extractor.input("data", batch)
        status, result = extractor.extract("output")
        assert status == 0
        return pixels_of(np.array(result))

    return run


def opened(param: Path, *, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    run = network(param, num_threads=threads)
    return lambda pixels: tiled(pixels, run, SCALE, tile=TILE, pad=PAD)
