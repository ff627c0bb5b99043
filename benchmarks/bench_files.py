"""From a JPEG file to a PNG file: over the bare network alone, and against other ways as their users run them.

Every way has the same weights, picture and threads. The others read and write files by Pillow with its defaults.
"""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import subject
from peers.arrays import batch_of
from peers.openvino_bare import NAMED, BareNetwork
from tilewright.codecs.decode import decode
from tilewright.models.catalog import CATALOG
from turns import spread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from tilewright import Upscaler
    from turns import InTurns

    Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

PICTURES = 2

# The others round to bf16 elsewhere or not at all, and 10 pixels of padding are less than the network sees.
MEAN, MOST = 0.4, 12


@pytest.fixture(scope="module")
def side(smoke: bool) -> int:
    return 256 if smoke else 1024


@pytest.fixture(scope="module")
def files(side: int, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number, pixels in enumerate(subject.photos(side, PICTURES)):
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], "JPEG", quality=90)
    return paths


def enlarge(upscaler: Upscaler, source: Path, target: Path) -> None:
    """As the command line does."""
    report = upscaler.new_report()
    with report.stage("decode"):
        picture = decode(source.read_bytes())
    with target.open("wb") as file:
        upscaler.upscale_to_file(picture, subject.FACTOR, file, "PNG", report=report)


def bench_over_the_bare_network(
    benchmark: BenchmarkFixture, in_turns: InTurns, files: list[Path], side: int, tmp_path: Path
) -> None:
    batches = [batch_of(np.asarray(Image.open(path))) for path in files]
    bare = BareNetwork(subject.network_path(), threads=subject.THREADS)
    target = tmp_path / "ours.png"
    with subject.opened() as upscaler:
        for path in files:
            enlarge(upscaler, path, target)
            want = upscaler.upscale_array(decode(path.read_bytes()).pixels, subject.FACTOR)
            np.testing.assert_array_equal(np.asarray(Image.open(target)), want)
        bare.run(batches[0])
        benchmark.group = f"JPEG to PNG, {side} × {side} × {subject.FACTOR}"
        in_turns(
            lambda number: enlarge(upscaler, files[number % PICTURES], target),
            label="ours over the network",
            against=lambda number: bare.run(batches[number % PICTURES]),
            named=NAMED,
            rounds=5,
            warm=True,
        )
        assert upscaler.last_report is not None
        benchmark.extra_info["stages"] = upscaler.last_report.seconds


class ByPillow:
    """A way that knows pixels only, between files; it keeps what the stages took."""

    def __init__(self, upscale: Upscale) -> None:
        self._upscale = upscale
        self.stages: list[dict[str, float]] = []

    def __call__(self, source: Path, target: Path) -> None:
        moments = [time.perf_counter()]
        pixels = np.asarray(Image.open(source).convert("RGB"))
        moments.append(time.perf_counter())
        result = Image.fromarray(self._upscale(pixels))
        moments.append(time.perf_counter())
        result.save(target, "PNG")
        moments.append(time.perf_counter())
        took = np.diff(moments).tolist()
        self.stages.append(dict(zip(("decode", "pixels", "encode"), took, strict=True)))


# Module, its options, and how often: the slow one says enough in one round.
PEERS = {
    "OpenVINO bf16, whole picture": ("openvino_bare", {}, 3),
    "ncnn": ("ncnn_tiles", {}, 3),
    "onnxruntime script": ("onnxruntime_script", {}, 3),
    "torch bf16": ("torch_compact", {"bf16": True}, 3),
    "torch float32": ("torch_compact", {"bf16": False}, 1),
}


def opened_peer(module: str, options: dict[str, bool]) -> Upscale:
    pytest.importorskip({"torch_compact": "torch", "ncnn_tiles": "ncnn"}.get(module, "onnxruntime"))
    path = subject.network_path()
    if module == "ncnn_tiles":
        entry = CATALOG[subject.NETWORK]
        assert entry.folder is not None
        path = entry.folder / f"{entry.network(4).stem}.param"
    upscale: Upscale = importlib.import_module(f"peers.{module}").opened(path, threads=subject.THREADS, **options)
    return upscale


@pytest.mark.parametrize("peer", PEERS)
def bench_against(
    benchmark: BenchmarkFixture, in_turns: InTurns, files: list[Path], side: int, tmp_path: Path, peer: str
) -> None:
    module, options, rounds = PEERS[peer]
    other = ByPillow(opened_peer(module, options))
    own_target, other_target = tmp_path / "ours.png", tmp_path / "other.png"
    with subject.opened() as upscaler:
        part = tmp_path / "part.png"  # of a size that has seams in every way that tiles
        Image.open(files[0]).crop((0, 0, side * 5 // 8, side * 5 // 8)).save(part)
        enlarge(upscaler, part, own_target)
        other(part, other_target)
        subject.check_alike(
            np.asarray(Image.open(other_target)), np.asarray(Image.open(own_target)), mean=MEAN, most=MOST
        )
        other.stages.clear()
        benchmark.group = f"JPEG to PNG, {side} × {side} × {subject.FACTOR}"
        in_turns(
            lambda number: enlarge(upscaler, files[number % PICTURES], own_target),
            label=f"ours against {peer}",
            against=lambda number: other(files[number % PICTURES], other_target),
            named=peer,
            rounds=rounds,
            warm=True,
        )
        benchmark.extra_info["compared_stages"] = {
            stage: spread(np.array([took[stage] for took in other.stages])) for stage in other.stages[0]
        }
        benchmark.extra_info["compared_size"] = other_target.stat().st_size / own_target.stat().st_size
