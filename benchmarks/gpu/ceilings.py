"""Measures the peak rates of the device: copies, matrix products, convolutions, host transfers.

python -m gpu.ceilings [--smoke] [--json FILE]

Convolutions are those of cuDNN, called by PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpu.harness import Harness, argument_parser, import_torch
from interleaved import quartiles

if TYPE_CHECKING:
    from collections.abc import Callable

# Input channels, output channels and side: layers of the compact networks and of RRDBNet.
_CONVOLUTIONS = [
    (64, 64, 256),
    (64, 64, 512),
    (64, 64, 1024),
    (48, 48, 512),
    (64, 32, 512),
    (192, 64, 512),
    (8, 64, 512),
]
# Buffers used in rotation. Those of 256² pixels fit into the L2 cache together.
_BUFFERS = 4


def measure_link(harness: Harness) -> dict[str, Any]:
    """Measures transfers between pinned host memory and the device, in both directions."""
    kernels = harness.kernels
    nbytes = 2**16 if harness.smoke else 2**28
    device, pinned, stream = kernels.DeviceBuffer(nbytes), kernels.PinnedBuffer(nbytes), kernels.Stream()
    array = pinned.array((nbytes,), np.uint8)
    array[...] = np.random.default_rng(0).integers(0, 256, nbytes, np.uint8)
    want = array.copy()
    kernels.upload(array, device, stream)
    stream.synchronize()
    array[...] = 0
    kernels.download(device, array, stream)
    stream.synchronize()
    np.testing.assert_array_equal(array, want)
    times = {
        "to_device": harness.time_on_stream(stream, lambda _: kernels.upload(array, device, stream)),
        "to_host": harness.time_on_stream(stream, lambda _: kernels.download(device, array, stream)),
    }
    return {name: {"ms": ms, "gb_per_s": _gb_per_s(nbytes, ms)} for name, ms in times.items()}


def measure_torch(torch: Any, smoke: bool) -> dict[str, Any]:
    """Measures a copy, a matrix product and convolutions in float16.

    Convolutions are checked against float64.
    """
    side = 64 if smoke else 8192
    device = "cpu" if smoke else "cuda"
    torch.backends.cudnn.benchmark = True
    nbytes = 2**20 if smoke else 2**32
    source, target = (torch.ones(nbytes, dtype=torch.uint8, device=device) for _ in range(2))
    copy = time_torch(torch, lambda _: target.copy_(source), smoke=smoke)
    a, b = (torch.randn(side, side, device=device).half() for _ in range(2))
    product = time_torch(torch, lambda _: a @ b, smoke=smoke)
    return {
        "copy": {"ms": copy, "gb_per_s": _gb_per_s(2 * nbytes, copy)},
        "matmul": {"side": side, "ms": product, "tflop_per_s": _tflop_per_s(2 * side**3, product)},
        "convolutions": [
            _measure_convolution(torch, inputs, outputs, 32 if smoke else side, smoke=smoke)
            for inputs, outputs, side in _CONVOLUTIONS
        ],
    }


def _measure_convolution(torch: Any, inputs: int, outputs: int, side: int, *, smoke: bool) -> dict[str, Any]:
    device = "cpu" if smoke else "cuda"
    form = {"memory_format": torch.channels_last}
    images = [torch.randn(1, inputs, side, side, device=device).half().to(**form) for _ in range(_BUFFERS)]
    weight = torch.randn(outputs, inputs, 3, 3, device=device).half().to(**form) / (3 * inputs**0.5)
    convolve = torch.nn.functional.conv2d
    exact = convolve(images[0].double(), weight.double(), padding=1)
    error = (convolve(images[0], weight, padding=1).double() - exact).norm() / exact.norm()
    assert error <= 1e-3, f"the convolution has a relative error of {error:.1e}"
    ms = time_torch(torch, lambda number: convolve(images[number % _BUFFERS], weight, padding=1), smoke=smoke)
    flops, moved = 18 * inputs * outputs * side**2, 2 * (inputs + outputs) * side**2
    return {
        "inputs": inputs,
        "outputs": outputs,
        "side": side,
        "ms": ms,
        "tflop_per_s": _tflop_per_s(flops, ms),
        "gb_per_s": _gb_per_s(moved, ms),
    }


def time_torch(torch: Any, step: Callable[[int], object], *, smoke: bool, rounds: int = 50) -> dict[str, float]:
    """Times work on PyTorch's current stream by events.

    Args:
        torch: The module.
        step: Puts the work on the stream; called with the number of the round.
        smoke: Run once and return 1 ms.
        rounds: Number of timed rounds, after ten of warm-up.

    Returns:
        Milliseconds: median and quartiles.
    """
    if smoke:
        step(0)
        return quartiles([1.0])
    for number in range(10):
        step(number)
    events = [(torch.cuda.Event(True), torch.cuda.Event(True)) for _ in range(rounds)]
    for number, (before, after) in enumerate(events):
        before.record()
        step(number)
        after.record()
    torch.cuda.synchronize()
    return quartiles([before.elapsed_time(after) for before, after in events])


def _gb_per_s(nbytes: int, ms: dict[str, float]) -> float:
    return nbytes / ms["median"] / 1e6 if ms["median"] else 0.0


def _tflop_per_s(flops: float, ms: dict[str, float]) -> float:
    return flops / ms["median"] / 1e9 if ms["median"] else 0.0


def main() -> None:
    """Runs the command."""
    harness = Harness("ceilings", argument_parser(__doc__).parse_args())
    findings = {"link": measure_link(harness)}
    torch = import_torch(harness.smoke)
    if torch is None:
        print("PyTorch is not installed for this device: skipped copy, matrix product and convolutions", flush=True)
    else:
        findings |= measure_torch(torch, harness.smoke)
    harness.save(findings)


if __name__ == "__main__":
    main()
