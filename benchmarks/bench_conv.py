"""Speed of our convolution engine: single layers and whole networks, compared with other runtimes.

All have the same weights, the same picture and the same number of threads, and compute the network
without its tail. Rates count the operations of a direct convolution, 2 · 9 · inputs · outputs for
each pixel of a layer 3 × 3, whatever the algorithm: Winograd's needs fewer, so that its rate may be
above the cores' peak. What layers are measured in is described in `chains`.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

import workload
from chains import Chain, ends, repeated
from interleaved import Baseline
from matrix_product import FLOPS, matrix_product
from peers.arrays import batch_of
from peers.graphs import with_openvino
from peers.graphs.graph import Graph
from tilewright._core import ConvStream
from tilewright.engine.sessions.native import NativeSession
from tilewright.engine.sessions.openvino import cpu_has_bf16
from tilewright.engine.sessions.prepare import split_tail
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.convolutions import list_convolutions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer
    from peers.graphs.graph import Run

LAYERS = {
    "3 to 64 PReLU, 64 to 3": ends(64, 3),
    "3 to 64 PReLU, 64 to 48": ends(64, 48),
    "64 to 64 PReLU": repeated(64, 64, "prelu"),
    "48 to 48 SiLU": repeated(48, 48, "silu"),
    "64 to 32 LeakyReLU": repeated(64, 32, "leaky"),
    "96 to 32 LeakyReLU": repeated(96, 32, "leaky"),
    "128 to 32 LeakyReLU": repeated(128, 32, "leaky"),
    "160 to 32 LeakyReLU": repeated(160, 32, "leaky"),
    "192 to 64 LeakyReLU": repeated(192, 64, "leaky"),
    "192 to 48, 1 x 1": repeated(192, 48, side=1),
}
LAYER_SIDE = 256
LAYER_ROUNDS = 9

# Name in the catalog → side of the picture in pixels → number of rounds.
NETWORKS = {
    "tilewright-photo": {256: 9, 1024: 5},
    "realesr-animevideov3": {256: 9, 1024: 5},
    "span-x4-ch48": {256: 9, 1024: 5},
    "realesrgan-x4plus": {256: 3, 512: 3},
}

# Seconds of rest before each run. After a run, threads of ncnn and PyTorch spin for about 10
# ms, those of ONNX Runtime for 60 ms, and those of NumPy's OpenBLAS for 110 ms (CPU time on a Zen 3).
PAUSE = 0.2

# Largest difference to OpenVINO in float32, relative to full scale: 1 for networks, the largest
# value of the result for layers.
EXACT = 1e-4
ROUNDED = 0.1  # in bf16; up to 0.03 was seen on small pictures


@dataclass(frozen=True, slots=True)
class Peer:
    """Another runtime.

    Attributes:
        module: Its module in `peers.graphs`.
        package: The package it needs.
        tolerance: Allowed largest difference.
        options: Keyword arguments of its function `load`.
    """

    module: str
    package: str
    tolerance: float = EXACT
    options: Mapping[str, str] = field(default_factory=dict)

    def load(self, graph: Graph) -> Run:
        """Loads a network; skips the benchmark if the package or bf16 is missing."""
        pytest.importorskip(self.package)
        if self.options.get("precision") == "bf16" and not cpu_has_bf16():
            pytest.skip("this CPU does not compute in bf16")
        module = importlib.import_module(f"peers.graphs.{self.module}")
        run: Run = module.load(graph, threads=workload.THREADS, **self.options)
        return run


PEERS = {
    "OpenVINO float32": Peer("with_openvino", "openvino", options={"precision": "f32"}),
    "OpenVINO bf16": Peer("with_openvino", "openvino", ROUNDED, {"precision": "bf16"}),
    "onnxruntime": Peer("with_onnxruntime", "onnxruntime"),
    "ncnn": Peer("with_ncnn", "ncnn"),
    "torch": Peer("with_torch", "torch"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A network with a picture.

    Attributes:
        graph: The network for other runtimes.
        batch: The picture, ``[1, 3, height, width]`` in 0..1.
        run: Runs our engine and returns its result.
        flops: Floating-point operations of direct convolutions for the picture.
        full_scale: What differences are relative to.
        expected: Result of OpenVINO in float32.
    """

    graph: Graph
    batch: NDArray[np.float32]
    run: Callable[[], NDArray[np.floating]]
    flops: float
    full_scale: float
    expected: NDArray[np.float32]

    def difference(self, result: NDArray[np.floating]) -> float:
        """Returns the largest difference of a result, relative to full scale."""
        assert result.shape == self.expected.shape
        return float(np.abs(result - self.expected).max()) / self.full_scale


def expected_result(graph: Graph, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Runs a network on OpenVINO in float32."""
    run = with_openvino.load(graph, threads=workload.THREADS, precision="f32")
    return run(batch).copy()


# Only the last case is kept; the benchmarks of a case follow one another.
@functools.lru_cache(maxsize=1)
def layer_case(name: str, side: int) -> Case:
    """Makes the case of one kind of layer."""
    chain = Chain(LAYERS[name])
    graph = Graph(chain.onnx(side, side), (1, chain.outputs, side, side))
    batch = np.random.default_rng(0).random((1, 3, side, side), np.float32)
    network = chain.native(workload.THREADS)
    stream = ConvStream(network)
    result = np.empty(graph.result_shape, np.float32)

    def run() -> NDArray[np.float32]:
        stream.run(batch, result)
        return result

    expected = expected_result(graph, batch)
    full_scale = float(np.abs(expected).max())
    return Case(graph, batch, run, chain.flops_per_pixel * side * side, full_scale, expected)


@functools.lru_cache(maxsize=1)
def network_case(name: str, side: int) -> Case:
    """Makes the case of a network of the catalog."""
    entry = CATALOG[name]
    if not entry.installed:
        pytest.skip(f"the weights of {name} are not installed")
    with workload.open_upscaler(name) as upscaler:
        model = upscaler.find(name, workload.FACTOR)
    network = entry.network(workload.FACTOR)
    original = None
    if not network.is_onnx:
        param, weights = entry.read(network)
        original = param.decode(), weights
    batch = batch_of(workload.photo(side))
    session = NativeSession(model, threads=workload.THREADS)
    result = session.new_result(batch.shape)
    head, _ = split_tail(model)
    graph = Graph(head, result.shape, original)
    expected = expected_result(graph, batch)
    steps = list_convolutions(head).steps
    flops = 2 * sum(step.weights.size * step.scale**2 for step in steps) * side * side
    return Case(graph, batch, lambda: session.run(batch, result), flops, 1, expected)


def measure(
    case: Case, peer: str, *, rounds: int, benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer
) -> None:
    """Checks and times our engine and a peer.

    Args:
        case: What they run.
        peer: Name of the peer.
        rounds: Number of timed rounds.
        benchmark: The benchmark.
        time_interleaved: The timer.
    """
    run = PEERS[peer].load(case.graph)
    differences = case.difference(case.run()), case.difference(run(case.batch))
    assert differences[0] <= EXACT, f"our result differs by {differences[0]:.1e}"
    assert differences[1] <= PEERS[peer].tolerance, f"the result of {peer} differs by {differences[1]:.1e}"
    time_interleaved(
        lambda _: case.run(),
        label=f"ours against {peer}",
        baseline=Baseline(peer, lambda _: run(case.batch)),
        rounds=rounds,
        warmed_up=True,
        pause=PAUSE,
    )
    benchmark.extra_info["differences"] = differences
    record_rates(benchmark, case.flops, case.flops)


def record_rates(benchmark: BenchmarkFixture, flops: float, compared_flops: float) -> None:
    """Adds the rates of both to the results, in GFLOP/s (10⁹ operations per second).

    If they do different work, the ratio of the rates is added too, as quartiles.

    Args:
        benchmark: The benchmark after it was timed.
        flops: Operations of one call of the step.
        compared_flops: Those of the baseline.
    """
    info = benchmark.extra_info
    if "ratio" not in info:  # --benchmark-disable
        return
    info["gflop_per_s"] = flops / benchmark.stats.stats.median / 1e9
    info["compared_gflop_per_s"] = compared_flops / info["compared"]["median"] / 1e9
    if (work := flops / compared_flops) != 1:
        times = info["ratio"]
        info["rate_ratio"] = {"median": work / times["median"], "q1": work / times["q3"], "q3": work / times["q1"]}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("layer", LAYERS)
def bench_layer(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, layer: str, peer: str
) -> None:
    """One kind of layer."""
    side = 16 if smoke else LAYER_SIDE
    benchmark.group = f"convolution {layer}, {side} × {side}"
    case = layer_case(layer, side)
    measure(case, peer, rounds=LAYER_ROUNDS, benchmark=benchmark, time_interleaved=time_interleaved)


@pytest.fixture(scope="module")
def product() -> Iterator[Baseline]:
    """The matrix product."""
    with matrix_product(workload.THREADS) as baseline:
        yield baseline


@pytest.mark.parametrize("layer", LAYERS)
def bench_share_of_peak(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, product: Baseline, layer: str
) -> None:
    """One kind of layer, compared with what the cores reach in a matrix product."""
    side = 16 if smoke else LAYER_SIDE
    benchmark.group = f"convolution {layer}, {side} × {side}"
    case = layer_case(layer, side)
    assert case.difference(case.run()) <= EXACT
    time_interleaved(lambda _: case.run(), label="ours", baseline=product, rounds=LAYER_ROUNDS, pause=PAUSE)
    record_rates(benchmark, case.flops, FLOPS)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("network", "side"), [(name, side) for name, sides in NETWORKS.items() for side in sides])
def bench_network(
    benchmark: BenchmarkFixture,
    time_interleaved: InterleavedTimer,
    smoke: bool,
    network: str,
    side: int,
    peer: str,
) -> None:
    """A network of the catalog on a whole picture."""
    rounds = NETWORKS[network][side]
    if smoke:
        side = 16
    benchmark.group = f"bare {network}, {side} × {side} × {workload.FACTOR}"
    case = network_case(network, side)
    measure(case, peer, rounds=rounds, benchmark=benchmark, time_interleaved=time_interleaved)
