"""What the device can do at best: copies, matrix products, cuDNN's convolutions by PyTorch, and the link to the host.

python -m gpu.ceilings [--smoke] [--json FILE]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpu.programme import Programme, torch_or_none
from turns import spread

# Channels in and out, and side: layers of the compact networks and of RRDBNet.
_CONVOLUTIONS = [
    (64, 64, 256),
    (64, 64, 512),
    (64, 64, 1024),
    (48, 48, 512),
    (64, 32, 512),
    (192, 64, 512),
    (8, 64, 512),
]
# Buffers in turn. Those of 256² pixels are together smaller than the second cache.
_SETS = 4


def link(programme: Programme) -> dict[str, Any]:
    """GB/s between pinned memory of the host and the device."""
    kernels = programme.kernels
    nbytes = 2**16 if programme.smoke else 2**28
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
        "to_device": programme.timed(stream, lambda _: kernels.upload(array, device, stream)),
        "to_host": programme.timed(stream, lambda _: kernels.download(device, array, stream)),
    }
    return {name: {"ms": ms, "gb_per_s": _rate(nbytes, ms)} for name, ms in times.items()}


def by_torch(torch: Any, programme: Programme) -> dict[str, Any]:
    """Copy, matrix product and convolutions, fp16; the answers of the last are checked against float32."""
    side = 64 if programme.smoke else 8192
    device = "cpu" if programme.smoke else "cuda"
    torch.backends.cudnn.benchmark = True
    nbytes = 2**20 if programme.smoke else 2**32
    source, target = (torch.ones(nbytes, dtype=torch.uint8, device=device) for _ in range(2))
    copy = _timed(torch, programme, lambda _: target.copy_(source))
    a, b = (torch.randn(side, side, device=device).half() for _ in range(2))
    product = _timed(torch, programme, lambda _: a @ b)
    return {
        "copy": {"ms": copy, "gb_per_s": _rate(2 * nbytes, copy)},
        "matmul": {"side": side, "ms": product, "tflop_per_s": _tera(2 * side**3, product)},
        "convolutions": [_convolution(torch, programme, device, *size) for size in _CONVOLUTIONS],
    }


def _convolution(torch: Any, programme: Programme, device: str, inputs: int, outputs: int, side: int) -> dict[str, Any]:
    side = 32 if programme.smoke else side
    last = {"memory_format": torch.channels_last}
    images = [torch.randn(1, inputs, side, side, device=device).half().to(**last) for _ in range(_SETS)]
    weight = torch.randn(outputs, inputs, 3, 3, device=device).half().to(**last) / (3 * inputs**0.5)
    convolve = torch.nn.functional.conv2d
    exact = convolve(images[0].double(), weight.double(), padding=1)
    error = (convolve(images[0], weight, padding=1).double() - exact).norm() / exact.norm()
    assert error <= 1e-3, f"the convolution is off by {error:.1e}"
    ms = _timed(torch, programme, lambda number: convolve(images[number % _SETS], weight, padding=1))
    flops, moved = 18 * inputs * outputs * side**2, 2 * (inputs + outputs) * side**2
    return {
        "inputs": inputs,
        "outputs": outputs,
        "side": side,
        "ms": ms,
        "tflop_per_s": _tera(flops, ms),
        "gb_per_s": _rate(moved, ms),
    }


def _timed(torch: Any, programme: Programme, step: Any) -> dict[str, float]:
    """As `Programme.timed`, on PyTorch's own stream."""
    return torch_timed(torch, step, smoke=programme.smoke)


def torch_timed(torch: Any, step: Any, *, smoke: bool, rounds: int = 50) -> dict[str, float]:
    """Milliseconds of a step of PyTorch's: median and quartiles. The smoke mode does not time."""
    if smoke:
        step(0)
        return spread([1.0])
    for number in range(10):
        step(number)
    marks = [(torch.cuda.Event(True), torch.cuda.Event(True)) for _ in range(rounds)]
    for number, (before, after) in enumerate(marks):
        before.record()
        step(number)
        after.record()
    torch.cuda.synchronize()
    return spread([before.elapsed_time(after) for before, after in marks])


def _rate(nbytes: int, ms: dict[str, float]) -> float:
    return nbytes / ms["median"] / 1e6 if ms["median"] else 0.0


def _tera(flops: float, ms: dict[str, float]) -> float:
    return flops / ms["median"] / 1e9 if ms["median"] else 0.0


def main() -> None:
    programme = Programme("ceilings", __doc__ or "")
    findings = {"link": link(programme)}
    torch = torch_or_none(programme.smoke)
    if torch is None:
        print("PyTorch is not installed for this device: no copy, no matrix product, no convolution", flush=True)
    else:
        findings |= by_torch(torch, programme)
    programme.keep(findings)


if __name__ == "__main__":
    main()
