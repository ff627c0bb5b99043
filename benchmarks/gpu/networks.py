"""Measures networks by tile size, batch size and runtime option, and the same ones in PyTorch.

python -m gpu.networks [--smoke] [--json FILE] [--network NAME] [--sizes | --options | --torch]

All three by default. A part of every result is compared with float32 on the CPU before it is
timed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu.ceilings import time_torch
from gpu.harness import Harness, argument_parser, import_torch, skip_if_out_of_memory
from gpu.roofline import Work, work_of
from tilewright import Settings
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.cuda_options import CudaOptions
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.prepare import split_tail
from tilewright.models.loader import load_model
from tilewright.models.probe import natural_patch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tilewright.models.spec import Model

    Row = dict[str, Any]

NETWORKS = ("realesr-animevideov3", "realesrgan-x4plus")
FACTOR = 4
SIDES = (256, 384, 512, 768, 1024)
COUNTS = (1, 2, 4, 8)
MAX_PIXELS = 2**21
OPTIONS_SIDE = 512
TORCH_SIDES = (256, 512, 1024)
SMOKE_SIDE = 16
OPTIONS = (
    CudaOptions(),
    CudaOptions(graph=False),
    CudaOptions(layout="NCHW"),
    CudaOptions(fuse_conv_bias=False),
    CudaOptions(layout="NCHW", prefer_nhwc=False),
    CudaOptions(layout="NCHW", prefer_nhwc=False, fuse_conv_bias=False),
    CudaOptions(algorithm_search="EXHAUSTIVE"),
)
# Side of the part that is compared with the CPU, in input pixels, without the halo around it.
_WINDOW = 32
_MIN_DECIBELS = 45.0


class NetworkBenchmark:
    """Times one network.

    Attributes:
        model: The network.
        work: Its computation and memory traffic per input pixel.
    """

    def __init__(self, name: str, harness: Harness) -> None:
        cache = Settings.from_environment().cache_dir
        self.model: Model = load_model(name, FACTOR, cache_dir=cache)
        self.work: Work = work_of(split_tail(self.model)[0])
        self._harness = harness
        self._exact = OnnxRuntimeSession(self.model, threads=Settings.from_environment().threads)
        self._rounds = 10 if name == "realesrgan-x4plus" else 50

    def batch(self, count: int, side: int) -> np.ndarray:
        """Returns `count` different natural pictures, ``[count, 3, side, side]`` in 0..1.

        Some networks give meaningless results for noise, and GPUs run faster on zeros than on
        pictures.
        """
        patch = natural_patch(side, side)
        pictures = [np.roll(patch, 37 * number, axis=(0, 1)) for number in range(count)]
        return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2), np.float32)

    def check(self, batch: np.ndarray, result: np.ndarray) -> float:
        """Compares the middle of the last picture with float32 on the CPU.

        Args:
            batch: ``[n, 3, side, side]``.
            result: The result on the device, with or without the tail of the network.

        Returns:
            The PSNR in dB, which must be at least 45.
        """
        side, halo = batch.shape[2], self.model.spec.halo
        window = min(_WINDOW, side)
        begin = (side - window) // 2
        top, bottom = max(0, begin - halo), min(side, begin + window + halo)
        part = np.ascontiguousarray(batch[-1:, :, top:bottom, top:bottom])
        exact = self._with_tail(self._exact.run(part), part)
        got = self._with_tail(result[-1:].astype(np.float32), batch[-1:])
        scale = self.model.spec.scale
        inner = slice((begin - top) * scale, (begin - top + window) * scale)
        middle = slice(begin * scale, (begin + window) * scale)
        error = np.mean((exact[..., inner, inner].clip(0, 1) - got[..., middle, middle].clip(0, 1)) ** 2)
        decibels = float(-10 * np.log10(max(error, 1e-12)))
        assert decibels >= _MIN_DECIBELS, f"{self.model.spec.name}: only {decibels:.1f} dB to the result of the CPU"
        return decibels

    def _with_tail(self, result: np.ndarray, batch: np.ndarray) -> np.ndarray:
        tail = self._exact.tail
        if tail is None or result.shape[2] != batch.shape[2]:
            return result
        return tail.applied(result, batch)

    def _row(self, batch: np.ndarray, ms: dict[str, float], **facts: Any) -> Row:
        count, _, side, _ = batch.shape
        flops = self.work.flops * count * side * side
        rate = flops / ms["median"] / 1e9 if ms["median"] else 0.0
        return {"side": side, "count": count, "ms": ms, "tflop_per_s": rate, **facts}

    def time_session(self, count: int, side: int, options: CudaOptions) -> Row:
        """Times a `CudaSession` as the pipeline uses it, from enqueueing a run to its end."""
        session = CudaSession(self.model, precision="fp16", options=options)
        batch = self.batch(count, side)
        result = session.new_result(batch.shape)
        bound = session.take(count, side, side)
        bound.run(batch, result)
        decibels = self.check(batch, result)
        ms = self._harness.time_on_stream(bound.stream, lambda _: bound.enqueue(), rounds=self._rounds)
        # The session turns the option `graph` off if capture fails.
        return self._row(batch, ms, decibels=decibels, options=asdict(session.options))

    def time_torch(self, torch: Any, side: int, *, compiled: bool) -> Row:
        """Times the network in PyTorch on one picture: float16, channels last."""
        from peers.torch_compact import Compact
        from peers.torch_rrdb import Rrdb

        smoke = self._harness.smoke
        form = {"dtype": torch.float16, "memory_format": torch.channels_last}
        kind = Rrdb if self.model.spec.name == "realesrgan-x4plus" else Compact
        network = kind(self.model.path).eval().to("cpu" if smoke else "cuda", **form)
        torch.backends.cudnn.benchmark = True
        if compiled and not smoke:
            network = torch.compile(network)
        batch = self.batch(1, side)
        with torch.inference_mode():
            tensor = torch.from_numpy(batch).to("cpu" if smoke else "cuda", **form)
            decibels = self.check(batch, network(tensor).float().cpu().numpy())
            ms = time_torch(torch, lambda _: network(tensor), smoke=smoke, rounds=self._rounds)
        return self._row(batch, ms, decibels=decibels, compiled=compiled)


def measure_sizes(benchmark: NetworkBenchmark, smoke: bool) -> Iterator[Row]:
    """Times the default options by tile side and batch size."""
    for side in (SMOKE_SIDE,) if smoke else SIDES:
        for count in (1, 2) if smoke else COUNTS:
            if count == 1 or count * side * side <= MAX_PIXELS:
                with skip_if_out_of_memory(f"{count} tiles of {side}"):
                    yield benchmark.time_session(count, side, CudaOptions())


def measure_options(benchmark: NetworkBenchmark, smoke: bool) -> Iterator[Row]:
    """Times one tile by options of the runtime."""
    for options in OPTIONS:
        with skip_if_out_of_memory(f"{options}"):
            yield benchmark.time_session(1, SMOKE_SIDE if smoke else OPTIONS_SIDE, options)


def measure_torch(benchmark: NetworkBenchmark, smoke: bool) -> Iterator[Row]:
    """Times PyTorch, eager and compiled, by side."""
    torch = import_torch(smoke)
    if torch is None:
        print("PyTorch is not installed for this device: skipped", flush=True)
        return
    for compiled in (False, True):
        for side in (SMOKE_SIDE,) if smoke else TORCH_SIDES:
            try:
                row = benchmark.time_torch(torch, side, compiled=compiled)
            except Exception as error:  # a missing compiler raises many kinds of errors
                if not compiled:
                    raise
                print(f"skipped torch.compile: {error}", flush=True)
                return
            yield row


def measure(benchmark: NetworkBenchmark, wanted: argparse.Namespace, smoke: bool) -> Iterator[dict[str, Any]]:
    """Measures one network.

    Args:
        benchmark: The network.
        wanted: Arguments with the switches ``sizes``, ``options`` and ``torch``; none of them means
            all.
        smoke: Use tiny inputs.

    Yields:
        All findings so far, after every row: a row of a deep network takes minutes, and the process
        may be killed.
    """
    parts = {"sizes": measure_sizes, "options": measure_options, "torch": measure_torch}
    chosen = [name for name in parts if getattr(wanted, name)] or list(parts)
    findings: dict[str, Any] = {"work": asdict(benchmark.work)}
    for name in chosen:
        rows = findings[name] = []
        for row in parts[name](benchmark, smoke):
            rows.append(row)
            yield findings


def main() -> None:
    """Runs the command."""
    parser = argument_parser(__doc__)
    parser.add_argument("--network", choices=NETWORKS, action="append", help="may be repeated (default: all)")
    parser.add_argument("--sizes", action="store_true", help="measure tile and batch sizes")
    parser.add_argument("--options", action="store_true", help="measure options of the runtime")
    parser.add_argument("--torch", action="store_true", help="measure PyTorch")
    arguments = parser.parse_args()
    harness = Harness("networks", arguments)
    networks = arguments.network or (NETWORKS[:1] if harness.smoke else NETWORKS)
    for name in networks:
        for findings in measure(NetworkBenchmark(name, harness), arguments, harness.smoke):
            harness.save({name: findings})


if __name__ == "__main__":
    main()
