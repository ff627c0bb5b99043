"""Measures undocumented behaviour of onnxruntime, and the accuracy of whole pictures.

python -m gpu.runtime [--smoke] [--json FILE]

- Nodes: how many Transpose, Cast and copy nodes remain in the optimised graph.
- Plans: whether a session is slower if the shapes of its inputs alternate.
- Accuracy: the difference of whole pictures from float32 on the CPU, in dB and in steps of 1/255.
"""

from __future__ import annotations

import collections
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime

import workload
from gpu.harness import Harness, argument_parser
from gpu.networks import FACTOR, NETWORKS
from interleaved import quartiles
from tilewright import Settings, Upscaler
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.cuda_options import PROVIDER, CudaOptions, session_options
from tilewright.models.graph.fixed_shape import with_fixed_shape, with_nhwc_io
from tilewright.models.loader import load_model

if TYPE_CHECKING:
    from tilewright.models.spec import Model

_COUNTED = ("Transpose", "Cast", "MemcpyFromHost", "MemcpyToHost", "Conv", "NhwcConv", "FusedConv")


def count_nodes(model: Model, smoke: bool) -> dict[str, Any]:
    """Counts nodes of the optimised graph by operator, for every combination of layout options."""
    findings = {}
    for layout, prefer_nhwc in (("NHWC", True), ("NCHW", True), ("NCHW", False)):
        options = CudaOptions(layout=layout, prefer_nhwc=prefer_nhwc, graph=False)
        session = CudaSession(model, precision="fp16", options=options)
        network = with_fixed_shape(session.network, 1, 64, 64)
        if layout == "NHWC":
            network = with_nhwc_io(network)
        with tempfile.TemporaryDirectory() as folder:
            optimised = Path(folder) / "optimised.onnx"
            stream = session.kernels.Stream()  # must outlive the session that is opened on it
            _open(network, options.provider_options("fp16", stream), smoke, optimised=optimised)
            nodes = collections.Counter(node.op_type for node in onnx.load(optimised).graph.node)
        name = f"{layout}, convolutions in {'NHWC' if prefer_nhwc else 'NCHW'}"
        findings[name] = {op: nodes[op] for op in _COUNTED if nodes[op]} | {"all": nodes.total()}
    return findings


def _open(
    network: onnx.ModelProto, provider: dict[str, str], smoke: bool, *, optimised: Path | None = None
) -> onnxruntime.InferenceSession:
    """Opens a session, on the CPU in a smoke run, and writes the optimised graph to a file."""
    options = onnxruntime.SessionOptions() if smoke else session_options()
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    providers = ["CPUExecutionProvider"] if smoke else [(PROVIDER, provider)]
    return onnxruntime.InferenceSession(network.SerializeToString(), options, providers=providers, enable_fallback=0)


def time_plans(model: Model, smoke: bool) -> dict[str, Any]:
    """Times runs between host arrays, in milliseconds, with one shape and with two alternating ones."""
    session = CudaSession(model, precision="fp16")
    stream = session.kernels.Stream()  # must outlive the session that is opened on it
    options = CudaOptions(layout="NCHW", graph=False).provider_options("fp16", stream)
    runtime = _open(session.network, options, smoke)
    name = runtime.get_inputs()[0].name
    rng = np.random.default_rng(0)
    shapes = [(1, 3, 32, 48), (1, 3, 48, 32)] if smoke else [(1, 3, 256, 384), (1, 3, 384, 256)]
    batches = [rng.random(shape, np.float32).astype(np.float16) for shape in shapes]

    def time_runs(order: list[np.ndarray]) -> dict[str, float]:
        times = []
        for batch in order:
            start = time.perf_counter()
            runtime.run(None, {name: batch})
            times.append((time.perf_counter() - start) * 1e3)
        return quartiles(times[2:])  # the first run of each shape is slower

    rounds = 2 if smoke else 20
    same, alternating = time_runs([batches[0]] * (2 + rounds)), time_runs(batches * (1 + rounds // 2))
    return {"same_shape_ms": same, "alternating_ms": alternating, "ratio": alternating["median"] / same["median"]}


def measure_accuracy(name: str, smoke: bool) -> dict[str, Any]:
    """Compares a photograph with float32 on the CPU, in the default precision and in float32."""
    pixels = workload.photo(32 if smoke else 512)
    settings = Settings.from_environment()
    exact = Upscaler(model=name, device="cpu", precision="fp32", settings=settings).upscale_array(pixels, FACTOR)
    findings = {}
    for precision in ("auto", "fp32"):
        with Upscaler(model=name, device="cuda", precision=precision, settings=settings) as upscaler:
            got = upscaler.upscale_array(pixels, FACTOR)
            report = upscaler.last_report
        difference = np.abs(got.astype(np.int16) - exact)
        error = float(np.mean(difference.astype(np.float64) ** 2))
        findings[precision] = {
            "network": report.network if report else None,
            "decibels": float(10 * np.log10(255**2 / max(error, 1e-9))),
            "largest_steps": int(difference.max()),
            "samples_that_differ": float(np.mean(difference > 0)),
        }
    return findings


def main() -> None:
    """Runs the command."""
    harness = Harness("runtime", argument_parser(__doc__).parse_args())
    smoke, findings = harness.smoke, {}
    for name in NETWORKS[:1] if smoke else NETWORKS:
        model = load_model(name, FACTOR, cache_dir=Settings.from_environment().cache_dir)
        findings[name] = {
            "nodes": count_nodes(model, smoke),
            "plans": time_plans(model, smoke),
            "accuracy": measure_accuracy(name, smoke),
        }
    harness.save(findings)


if __name__ == "__main__":
    main()
