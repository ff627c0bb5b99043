"""What do the networks take on the device, by size of tiles and batches and by option, against PyTorch?

python -m gpu.networks [--smoke] [--json FILE] [--network NAME] [--sizes | --options | --torch]

Without a choice, all three. A part of every result is compared with float32 on the CPU before it is timed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu.ceilings import torch_timed
from gpu.programme import Programme, skipping_out_of_memory, torch_or_none
from gpu.roofline import Work, work_of
from tilewright import Settings
from tilewright.engine.sessions.base import parted
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.cuda_options import CudaOptions
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.models.loader import load_model
from tilewright.models.probe import natural_patch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tilewright.models.spec import Model

NETWORKS = ("realesr-animevideov3", "realesrgan-x4plus")
FACTOR = 4
SIDES = (256, 384, 512, 768, 1024)
COUNTS = (1, 2, 4, 8)
MOST_PIXELS = 2**21
OPTIONS_SIDE = 512
OPTIONS = (
    CudaOptions(),
    CudaOptions(graph=False),
    CudaOptions(layout="NCHW"),
    CudaOptions(fuse_conv_bias=False),
    CudaOptions(layout="NCHW", prefer_nhwc=False),
    CudaOptions(layout="NCHW", prefer_nhwc=False, fuse_conv_bias=False),
    CudaOptions(algorithm_search="EXHAUSTIVE"),
)
# Of what is compared with the CPU: its own side, in input pixels. Round it lies what the network sees besides.
_WINDOW = 32
_LEAST_DB = 45.0


class Subject:
    """A network, and what its results must be."""

    def __init__(self, name: str, programme: Programme) -> None:
        cache = Settings.from_environment().cache_dir
        self.model: Model = load_model(name, FACTOR, cache_dir=cache)
        self.programme = programme
        self.work: Work = work_of(parted(self.model)[0])
        self._exact = OnnxRuntimeSession(self.model, threads=Settings.from_environment().threads)
        self._rounds = 10 if name == "realesrgan-x4plus" else 50

    def batch(self, count: int, side: int) -> np.ndarray:
        """Natural pictures, all of them different: some networks are led astray by noise, and zeros run faster."""
        patch = natural_patch(side, side)
        pictures = [np.roll(patch, 37 * number, axis=(0, 1)) for number in range(count)]
        return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2), np.float32)

    def check(self, batch: np.ndarray, result: np.ndarray) -> float:
        """Decibels between the last picture's middle and float32 on the CPU, which must be enough."""
        side, reach = batch.shape[2], self.model.spec.halo
        window = min(_WINDOW, side)
        begin = (side - window) // 2
        top, bottom = max(0, begin - reach), min(side, begin + window + reach)
        seen = np.ascontiguousarray(batch[-1:, :, top:bottom, top:bottom])
        exact = self._finished(self._exact.run(seen), seen)
        got = self._finished(result[-1:].astype(np.float32), batch[-1:])
        scale = self.model.spec.scale
        inner = slice((begin - top) * scale, (begin - top + window) * scale)
        middle = slice(begin * scale, (begin + window) * scale)
        error = np.mean((exact[..., inner, inner].clip(0, 1) - got[..., middle, middle].clip(0, 1)) ** 2)
        decibels = float(-10 * np.log10(max(error, 1e-12)))
        assert decibels >= _LEAST_DB, f"{self.model.spec.name} agrees with the CPU to {decibels:.1f} dB only"
        return decibels

    def _finished(self, result: np.ndarray, batch: np.ndarray) -> np.ndarray:
        tail = self._exact.tail
        if tail is None or result.shape[2] != batch.shape[2]:
            return result
        return tail.applied(result, batch)

    def row(self, batch: np.ndarray, ms: dict[str, float], **facts: Any) -> dict[str, Any]:
        count, _, side, _ = batch.shape
        flops = self.work.flops * count * side * side
        rate = flops / ms["median"] / 1e9 if ms["median"] else 0.0
        return {"side": side, "count": count, "ms": ms, "tflop_per_s": rate, **facts}

    def ours(self, count: int, side: int, options: CudaOptions) -> dict[str, Any]:
        """By a session as the pipeline uses it: what it takes to put a run on the stream and to do it."""
        session = CudaSession(self.model, precision="fp16", options=options)
        batch = self.batch(count, side)
        result = session.new_result(batch.shape)
        bound = session.take(count, side, side)
        bound.run(batch, result)
        decibels = self.check(batch, result)
        ms = self.programme.timed(bound.stream, lambda _: bound.enqueue(), rounds=self._rounds)
        # A graph that could not be captured is no graph.
        return self.row(batch, ms, decibels=decibels, options=asdict(session.options))

    def by_torch(self, torch: Any, count: int, side: int, *, compiled: bool) -> dict[str, Any]:
        """The same weights as the network's authors run them: float16, channels last."""
        from peers.torch_compact import Compact
        from peers.torch_rrdb import Rrdb

        smoke = self.programme.smoke
        how = {"dtype": torch.float16, "memory_format": torch.channels_last}
        kind = Rrdb if self.model.spec.name == "realesrgan-x4plus" else Compact
        network = kind(self.model.path).eval().to("cpu" if smoke else "cuda", **how)
        torch.backends.cudnn.benchmark = True
        if compiled and not smoke:
            network = torch.compile(network)
        batch = self.batch(count, side)
        with torch.inference_mode():
            given = torch.from_numpy(batch).to("cpu" if smoke else "cuda", **how)
            decibels = self.check(batch, network(given).float().cpu().numpy())
            ms = torch_timed(torch, lambda _: network(given), smoke=smoke, rounds=self._rounds)
        return self.row(batch, ms, decibels=decibels, compiled=compiled)


def measure(subject: Subject, wanted: argparse.Namespace, smoke: bool) -> Iterator[dict[str, Any]]:
    """What was found so far, after every row: a row of a deep network takes minutes, and a command has only so many."""
    everything = not (wanted.sizes or wanted.options or wanted.torch)
    sides, counts, options_side = ((48,), (1, 2), 48) if smoke else (SIDES, COUNTS, OPTIONS_SIDE)
    findings: dict[str, Any] = {"work": asdict(subject.work)}
    if wanted.sizes or everything:
        rows = findings["sizes"] = []
        for side in sides:
            for count in (each for each in counts if each == 1 or each * side * side <= MOST_PIXELS):
                with skipping_out_of_memory(f"{count} tiles of {side}"):
                    rows.append(subject.ours(count, side, CudaOptions()))
                    yield findings
    if wanted.options or everything:
        rows = findings["options"] = []
        for options in OPTIONS:
            with skipping_out_of_memory(f"{options}"):
                rows.append(subject.ours(1, options_side, options))
                yield findings
    if wanted.torch or everything:
        torch = torch_or_none(smoke)
        if torch is None:
            print("PyTorch is not installed for this device: nothing to compare with", flush=True)
            return
        rows = findings["torch"] = []
        for compiled in (False, True):
            for side in (48,) if smoke else (256, 512, 1024):
                try:
                    rows.append(subject.by_torch(torch, 1, side, compiled=compiled))
                except Exception as error:  # a compiler that is missing says so in many ways
                    if not compiled:
                        raise
                    print(f"torch.compile left out: {error}", flush=True)
                    return
                yield findings


def main() -> None:
    options = {name: {"action": "store_true"} for name in ("--sizes", "--options", "--torch")}
    programme = Programme(
        "networks", __doc__ or "", {"--network": {"choices": NETWORKS, "action": "append"}, **options}
    )
    wanted = programme.arguments
    networks = wanted.network or (NETWORKS[:1] if programme.smoke else NETWORKS)
    for name in networks:
        for findings in measure(Subject(name, programme), wanted, programme.smoke):
            programme.keep({name: findings})


if __name__ == "__main__":
    main()
