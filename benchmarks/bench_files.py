"""Time from JPEG to PNG, relative to the bare network, and against other implementations.

All have the same weights, pictures and threads. The others run as their users run them, and read
and write files with Pillow at its defaults.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import workload
from interleaved import Baseline, quartiles
from peers.arrays import batch_of, pixels_of
from peers.openvino_bare import NAME, BareNetwork
from tilewright.codecs.decode import decode
from tilewright.engine.sessions.base import finished_result
from tilewright.models.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer
    from tilewright import Upscaler

    Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

PICTURES = 2

# The peers round to bf16 in other places or not at all, and their 10 pixels of padding are less
# than the receptive field of the network.
MEAN, LARGEST = 0.4, 12


@dataclass(frozen=True, slots=True)
class Peer:
    """Another implementation.

    Attributes:
        module: Its module in `peers`.
        package: The package it needs.
        rounds: Number of timed rounds.
        options: Keyword arguments of its function `load`.
    """

    module: str
    package: str
    rounds: int
    options: Mapping[str, bool] = field(default_factory=dict)

    def load(self) -> Upscale:
        """Loads the network; skips the benchmark if the package is not installed."""
        pytest.importorskip(self.package)
        path = workload.network_path()
        if self.package == "ncnn":
            entry = CATALOG[workload.NETWORK]
            assert entry.folder is not None
            path = entry.folder / f"{entry.network(4).stem}.param"
        module = importlib.import_module(f"peers.{self.module}")
        upscale: Upscale = module.load(path, threads=workload.THREADS, **self.options)
        return upscale


PEERS = {
    "OpenVINO bf16, whole picture": Peer("openvino_bare", "openvino", 3),
    "ncnn": Peer("ncnn_tiles", "ncnn", 3),
    "onnxruntime script": Peer("onnxruntime_script", "onnxruntime", 3),
    "torch bf16": Peer("torch_compact", "torch", 3, {"bf16": True}),
    "torch float32": Peer("torch_compact", "torch", 1, {"bf16": False}),  # so slow that one round is enough
}


class PillowPipeline:
    """Upscales files with a function for pixels, and Pillow before and after it.

    Attributes:
        stages: Seconds of each call by stage: ``decode``, ``pixels`` and ``encode``.
    """

    def __init__(self, upscale: Upscale) -> None:
        self._upscale = upscale
        self.stages: list[dict[str, float]] = []

    def __call__(self, source: Path, target: Path) -> None:
        """Upscales `source` to the PNG file `target`."""
        times = [time.perf_counter()]
        pixels = np.asarray(Image.open(source).convert("RGB"))
        times.append(time.perf_counter())
        result = Image.fromarray(self._upscale(pixels))
        times.append(time.perf_counter())
        result.save(target, "PNG")
        times.append(time.perf_counter())
        self.stages.append(dict(zip(("decode", "pixels", "encode"), np.diff(times).tolist(), strict=True)))


@pytest.fixture(scope="module")
def side(smoke: bool) -> int:
    """Side of the pictures in pixels."""
    return 64 if smoke else 1024


@pytest.fixture(scope="module")
def files(side: int, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """JPEG files."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number, pixels in enumerate(workload.photos(side, PICTURES)):
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], "JPEG", quality=90)
    return paths


def upscale_file(upscaler: Upscaler, source: Path, target: Path) -> None:
    """Upscales a file as the command line does."""
    report = upscaler.new_report()
    with report.stage("decode"):
        picture = decode(source.read_bytes())
    with target.open("wb") as file:
        upscaler.upscale_to_file(picture, workload.FACTOR, file, "PNG", report=report)


def bench_over_the_bare_network(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, files: list[Path], side: int, tmp_path: Path
) -> None:
    """Compared with the bare network, which has no files."""
    batches = [batch_of(np.asarray(Image.open(path))) for path in files]
    bare = BareNetwork(workload.network_path(), threads=workload.THREADS)
    target = tmp_path / "ours.png"
    with workload.open_upscaler() as upscaler:
        for path in files:
            upscale_file(upscaler, path, target)
            want = upscaler.upscale_array(decode(path.read_bytes()).pixels, workload.FACTOR)
            np.testing.assert_array_equal(np.asarray(Image.open(target)), want)
        bare.run(batches[0])
        benchmark.group = f"JPEG to PNG, {side} × {side} × {workload.FACTOR}"
        time_interleaved(
            lambda number: upscale_file(upscaler, files[number % PICTURES], target),
            label="ours over the network",
            baseline=Baseline(NAME, lambda number: bare.run(batches[number % PICTURES])),
            rounds=5,
            warmed_up=True,
        )
        assert upscaler.last_report is not None
        benchmark.extra_info["stages"] = upscaler.last_report.seconds


def bench_over_the_engine(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, files: list[Path], side: int, tmp_path: Path
) -> None:
    """Compared with the network alone on our own engine, from floats to floats, without its tail."""
    batches = [batch_of(np.asarray(Image.open(path))) for path in files]
    target = tmp_path / "ours.png"
    with workload.open_upscaler() as upscaler:
        session = upscaler.session(factor=workload.FACTOR)
        if session.runtime != "native":
            pytest.skip(f"this machine runs networks on {session.runtime}")
        result = session.new_result(batches[0].shape)
        upscale_file(upscaler, files[0], target)
        want = finished_result(session, batches[0])
        workload.assert_close(np.asarray(Image.open(target)), pixels_of(want[0]), mean=0.01, largest=1)
        benchmark.group = f"JPEG to PNG, {side} × {side} × {workload.FACTOR}"
        time_interleaved(
            lambda number: upscale_file(upscaler, files[number % PICTURES], target),
            label="ours over the engine",
            baseline=Baseline("our engine alone", lambda number: session.run(batches[number % PICTURES], result)),
            rounds=9,
            warmed_up=True,
        )


@pytest.mark.parametrize("peer", PEERS)
def bench_against(
    benchmark: BenchmarkFixture,
    time_interleaved: InterleavedTimer,
    files: list[Path],
    side: int,
    tmp_path: Path,
    peer: str,
) -> None:
    """Compared with another implementation."""
    pipeline = PillowPipeline(PEERS[peer].load())
    own_target, peer_target = tmp_path / "ours.png", tmp_path / "other.png"
    with workload.open_upscaler() as upscaler:
        part = tmp_path / "part.png"  # large enough that every peer with tiles has seams
        Image.open(files[0]).crop((0, 0, side * 5 // 8, side * 5 // 8)).save(part)
        upscale_file(upscaler, part, own_target)
        pipeline(part, peer_target)
        got, want = (np.asarray(Image.open(path)) for path in (peer_target, own_target))
        workload.assert_close(got, want, mean=MEAN, largest=LARGEST)
        pipeline.stages.clear()
        benchmark.group = f"JPEG to PNG, {side} × {side} × {workload.FACTOR}"
        time_interleaved(
            lambda number: upscale_file(upscaler, files[number % PICTURES], own_target),
            label=f"ours against {peer}",
            baseline=Baseline(peer, lambda number: pipeline(files[number % PICTURES], peer_target)),
            rounds=PEERS[peer].rounds,
            warmed_up=True,
        )
        benchmark.extra_info["compared_stages"] = {
            stage: quartiles([seconds[stage] for seconds in pipeline.stages]) for stage in pipeline.stages[0]
        }
        benchmark.extra_info["compared_size"] = peer_target.stat().st_size / own_target.stat().st_size
