"""How near are gather and blend on the device to a plain copy of as many bytes?

python -m gpu.kernels [--smoke] [--json FILE]

Their bytes are compared with those of the kernels of the CPU first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpu.programme import Programme
from tilewright import _core

if TYPE_CHECKING:
    from collections.abc import Callable

SCALE = 4
# Sets of buffers in turn. Those of small pictures are together smaller than the second cache.
_SETS = 3


class Buffers:
    """Arrays to and from the device."""

    def __init__(self, kernels: Any) -> None:
        self._kernels, self.stream = kernels, kernels.Stream()

    def filled(self, array: np.ndarray) -> Any:
        buffer = self._kernels.DeviceBuffer(array.nbytes)
        self._kernels.upload(np.ascontiguousarray(array), buffer, self.stream)
        self.stream.synchronize()
        return buffer

    def read(self, buffer: Any, like: np.ndarray) -> np.ndarray:
        array = np.empty_like(like)
        self._kernels.download(buffer, array, self.stream)
        self.stream.synchronize()
        return array


def gather(programme: Programme, side: int, sample: str, element: str, layout: str) -> dict[str, Any]:
    """Whole pictures, as one tile each."""
    kernels, buffers = programme.kernels, Buffers(programme.kernels)
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    rng = np.random.default_rng(0)
    white = np.iinfo(sample).max
    pictures = [rng.integers(0, white + 1, (side, side, 3), sample) for _ in range(_SETS)]
    views = [kernels.DeviceImage(buffers.filled(picture), picture.shape, sample) for picture in pictures]
    values = np.zeros((1, 3, side, side), np.float32)
    want = values.astype(element)
    memory = [kernels.DeviceBuffer(want.nbytes) for _ in range(_SETS)]
    batches = [kernels.DeviceTensor(each, values.shape, element, layout=layout) for each in memory]

    def step(number: int) -> None:
        kernels.gather(views[number % _SETS], plan, 0, batches[number % _SETS], buffers.stream)

    for number in range(_SETS):
        step(number)
        _core.gather(pictures[number], plan, 0, values)
        want = values.astype(element)
        stored = want if layout == "NCHW" else np.ascontiguousarray(want.transpose(0, 2, 3, 1))
        np.testing.assert_array_equal(buffers.read(memory[number], stored), stored)
    facts = {"kernel": "gather", "from": sample, "to": f"{element} {layout}", "side": side}
    return facts | _measured(programme, buffers, step, pictures[0].nbytes + want.nbytes)


def blend(programme: Programme, side: int, sample: str, element: str, layout: str, *, shuffle: bool) -> dict[str, Any]:
    """One tile, into one band; with the pixel shuffle and the picture added, or without."""
    kernels, buffers = programme.kernels, Buffers(programme.kernels)
    plan = _core.TilePlan(side, side, tile_width=side, tile_height=side)
    rng = np.random.default_rng(0)
    shape = (1, 3 * SCALE**2, side, side) if shuffle else (1, 3, side * SCALE, side * SCALE)
    results = [(rng.random(shape, np.float32) - 0.3 * shuffle).astype(element) for _ in range(_SETS)]
    base = rng.random((1, 3, side, side), np.float32)
    options = {"shuffle": SCALE, "adds_base": True} if shuffle else {}

    def tensor(array: np.ndarray) -> Any:
        stored = array if layout == "NCHW" else array.transpose(0, 2, 3, 1)
        return kernels.DeviceTensor(buffers.filled(stored), array.shape, array.dtype, layout=layout)

    views, bases = [tensor(result) for result in results], [tensor(base) for _ in results]
    want = np.empty((side * SCALE, side * SCALE, 3), sample)
    memory = [kernels.DeviceBuffer(want.nbytes) for _ in results]
    targets = [kernels.DeviceImage(each, want.shape, sample) for each in memory]
    counts = kernels.DeviceBuffer(8)
    canvases = [kernels.Canvas(plan, SCALE, **options) for _ in results]

    def step(number: int) -> None:
        at = number % _SETS
        added = {"base": bases[at]} if shuffle else {}
        canvases[at].blend(0, views[at], targets[at], buffers.stream, nonfinite=counts, **added)

    for number in range(_SETS):
        step(number)
        added = {"base": base[0]} if shuffle else {}
        _core.Canvas(plan, SCALE, **options).blend(0, results[number][0], want, **added)
        np.testing.assert_array_equal(buffers.read(memory[number], want), want)
    kind = "blend with pixel shuffle" if shuffle else "blend"
    facts = {"kernel": kind, "from": f"{element} {layout}", "to": sample, "side": side}
    moved = results[0].nbytes + want.nbytes + (base.nbytes if shuffle else 0)
    return facts | _measured(programme, buffers, step, moved)


def _measured(programme: Programme, buffers: Buffers, step: Callable[[int], None], moved: int) -> dict[str, Any]:
    ms = programme.timed(buffers.stream, step)
    return {"ms": ms, "bytes": moved, "gb_per_s": moved / ms["median"] / 1e6 if ms["median"] else 0.0}


def main() -> None:
    programme = Programme("kernels", __doc__ or "")
    sides = [32] if programme.smoke else [256, 512, 1024, 2048]
    findings = []
    for side in sides:
        for sample in ("uint8", "uint16"):
            for layout in ("NHWC", "NCHW"):
                findings.append(gather(programme, side, sample, "float16", layout))
                findings += [
                    blend(programme, side, sample, "float16", layout, shuffle=shuffle) for shuffle in (True, False)
                ]
    programme.keep(findings)


if __name__ == "__main__":
    main()
