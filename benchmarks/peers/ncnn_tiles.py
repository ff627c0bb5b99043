"""ncnn with the original weight files, in tiles of 200 with 10 pixels of padding.

Its defaults are float32 and Winograd convolutions. Tile and padding are those of realesrgan-ncnn,
which has no build for CPUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ncnn
import numpy as np

from peers.arrays import pixels_of, run_in_tiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

TILE, PAD, SCALE = 200, 10, 4


def load_network(param: Path, **options: object) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Returns the network as a function of whole pictures.

    Args:
        param: The ``.param`` file; the ``.bin`` file must be next to it.
        options: Attributes of ``ncnn.Net.opt``.
    """
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


def load(param: Path, *, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Loads the network; see `peers`."""
    run = load_network(param, num_threads=threads)
    return lambda pixels: run_in_tiles(pixels, run, SCALE, tile=TILE, pad=PAD)
