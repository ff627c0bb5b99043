"""Measures gather and blend on the device, after a comparison with the CPU kernels byte for byte.

python -m gpu.kernels [--smoke] [--json FILE]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpu.harness import Harness, argument_parser
from tilewright import _core

if TYPE_CHECKING:
    from collections.abc import Callable

SCALE = 4
# Sets of buffers used in rotation. Those of small pictures fit into the L2 cache together.
_SETS = 3


class DeviceArrays:
    """Copies arrays to and from the device.

    Attributes:
        stream: The stream of the copies.
    """

    def __init__(self, kernels: Any) -> None:
        self._kernels, self.stream = kernels, kernels.Stream()

    def upload(self, array: np.ndarray) -> Any:
        """Returns a device buffer with the contents of an array."""
        buffer = self._kernels.DeviceBuffer(array.nbytes)
        self._kernels.upload(np.ascontiguousarray(array), buffer, self.stream)
        self.stream.synchronize()
        return buffer

    def download(self, buffer: Any, like: np.ndarray) -> np.ndarray:
        """Returns the contents of a device buffer as an array of the shape and dtype of `like`."""
        array = np.empty_like(like)
        self._kernels.download(buffer, array, self.stream)
        self.stream.synchronize()
        return array


def measure_gather(harness: Harness, side: int, sample: str, element: str, layout: str) -> dict[str, Any]:
    """Measures gather on a whole picture as one tile.

    Args:
        harness: The harness.
        side: Side of the picture in pixels.
        sample: Dtype of the picture.
        element: Dtype of the batch.
        layout: Memory layout of the batch, ``"NHWC"`` or ``"NCHW"``.
    """
    kernels, arrays = harness.kernels, DeviceArrays(harness.kernels)
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    rng = np.random.default_rng(0)
    white = np.iinfo(sample).max
    pictures = [rng.integers(0, white + 1, (side, side, 3), sample) for _ in range(_SETS)]
    views = [kernels.DeviceImage(arrays.upload(picture), picture.shape, sample) for picture in pictures]
    values = np.empty((1, 3, side, side), np.float32)
    want = values.astype(element)
    memory = [kernels.DeviceBuffer(want.nbytes) for _ in range(_SETS)]
    batches = [kernels.DeviceTensor(each, want.shape, element, layout=layout) for each in memory]

    def step(number: int) -> None:
        kernels.gather(views[number % _SETS], plan, 0, batches[number % _SETS], arrays.stream)

    for number in range(_SETS):
        step(number)
        _core.gather(pictures[number], plan, 0, values)
        want = values.astype(element)
        stored = want if layout == "NCHW" else np.ascontiguousarray(want.transpose(0, 2, 3, 1))
        np.testing.assert_array_equal(arrays.download(memory[number], stored), stored)
    facts = {"kernel": "gather", "from": sample, "to": f"{element} {layout}", "side": side}
    return facts | _rate(harness, arrays, step, pictures[0].nbytes + want.nbytes)


def measure_blend(
    harness: Harness, side: int, sample: str, element: str, layout: str, *, shuffle: bool
) -> dict[str, Any]:
    """Measures blend of one tile into one band.

    Args:
        harness: The harness.
        side: Side of the tile in input pixels.
        sample: Dtype of the picture.
        element: Dtype of the tile.
        layout: Memory layout of the tile, ``"NHWC"`` or ``"NCHW"``.
        shuffle: With a pixel shuffle and the upscaled input added.
    """
    kernels, arrays = harness.kernels, DeviceArrays(harness.kernels)
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    rng = np.random.default_rng(0)
    shape = (1, 3 * SCALE**2, side, side) if shuffle else (1, 3, side * SCALE, side * SCALE)
    results = [(rng.random(shape, np.float32) - 0.3 * shuffle).astype(element) for _ in range(_SETS)]
    base = rng.random((1, 3, side, side), np.float32)
    options = {"shuffle": SCALE, "adds_base": True} if shuffle else {}

    def tensor(array: np.ndarray) -> Any:
        stored = array if layout == "NCHW" else array.transpose(0, 2, 3, 1)
        return kernels.DeviceTensor(arrays.upload(stored), array.shape, array.dtype, layout=layout)

    views, bases = [tensor(result) for result in results], [tensor(base) for _ in results]
    want = np.empty((side * SCALE, side * SCALE, 3), sample)
    memory = [kernels.DeviceBuffer(want.nbytes) for _ in results]
    targets = [kernels.DeviceImage(each, want.shape, sample) for each in memory]
    counts = kernels.DeviceBuffer(8)
    canvases = [kernels.Canvas(plan, SCALE, **options) for _ in results]

    def step(number: int) -> None:
        index = number % _SETS
        added = {"base": bases[index]} if shuffle else {}
        canvases[index].blend(0, views[index], targets[index], arrays.stream, nonfinite=counts, **added)

    for number in range(_SETS):
        step(number)
        added = {"base": base[0]} if shuffle else {}
        _core.Canvas(plan, SCALE, **options).blend(0, results[number][0], want, **added)
        np.testing.assert_array_equal(arrays.download(memory[number], want), want)
    kind = "blend with pixel shuffle" if shuffle else "blend"
    facts = {"kernel": kind, "from": f"{element} {layout}", "to": sample, "side": side}
    moved = results[0].nbytes + want.nbytes + (base.nbytes if shuffle else 0)
    return facts | _rate(harness, arrays, step, moved)


def _rate(harness: Harness, arrays: DeviceArrays, step: Callable[[int], None], moved: int) -> dict[str, Any]:
    ms = harness.time_on_stream(arrays.stream, step)
    return {"ms": ms, "bytes": moved, "gb_per_s": moved / ms["median"] / 1e6 if ms["median"] else 0.0}


def main() -> None:
    """Runs the command."""
    harness = Harness("kernels", argument_parser(__doc__).parse_args())
    sides = [32] if harness.smoke else [256, 512, 1024, 2048]
    findings = []
    for side in sides:
        for sample in ("uint8", "uint16"):
            for layout in ("NHWC", "NCHW"):
                findings.append(measure_gather(harness, side, sample, "float16", layout))
                findings += [
                    measure_blend(harness, side, sample, "float16", layout, shuffle=shuffle)
                    for shuffle in (True, False)
                ]
    harness.save(findings)


if __name__ == "__main__":
    main()
