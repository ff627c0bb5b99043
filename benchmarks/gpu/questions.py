"""What the runtime does that its documentation leaves open, and how near results are to float32 on the CPU.

python -m gpu.questions [--smoke] [--json FILE]

- Transposes: how many the runtime is left with in the optimised network, beside casts and copies.
- Plans: whether a session whose shapes alternate takes longer than one whose shapes do not.
- Agreement: of whole pictures, with float32 on the CPU, in decibels and 8-bit steps.
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

import subject
from gpu.networks import FACTOR, NETWORKS
from gpu.programme import Programme
from tilewright import Settings, Upscaler
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.cuda_options import PROVIDER, CudaOptions, session_options
from tilewright.models.graph.fixed_shape import with_channels_last, with_shape
from tilewright.models.loader import load_model
from turns import spread

if TYPE_CHECKING:
    from tilewright.models.spec import Model

_COUNTED = ("Transpose", "Cast", "MemcpyFromHost", "MemcpyToHost", "Conv", "NhwcConv", "FusedConv")


def transposes(model: Model, smoke: bool) -> dict[str, Any]:
    """Counts nodes of the network as the runtime has optimised it, for every way that its layout can be asked for."""
    findings = {}
    for layout, prefer in (("NHWC", True), ("NCHW", True), ("NCHW", False)):
        options = CudaOptions(layout=layout, prefer_nhwc=prefer, graph=False)
        session = CudaSession(model, precision="fp16", options=options)
        network = with_shape(session.network, 1, 64, 64)
        if layout == "NHWC":
            network = with_channels_last(network)
        with tempfile.TemporaryDirectory() as folder:
            optimised = Path(folder) / "optimised.onnx"
            stream = session.kernels.Stream()  # lives as long as what is opened on it
            _open(network, options.of_provider("fp16", stream), smoke, optimised=optimised)
            nodes = collections.Counter(node.op_type for node in onnx.load(optimised).graph.node)
        name = f"{layout}, convolutions in {'NHWC' if prefer else 'NCHW'}"
        findings[name] = {op: nodes[op] for op in _COUNTED if nodes[op]} | {"all": nodes.total()}
    return findings


def _open(
    network: onnx.ModelProto, provider: dict[str, str], smoke: bool, *, optimised: Path | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions() if smoke else session_options()
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    providers = ["CPUExecutionProvider"] if smoke else [(PROVIDER, provider)]
    return onnxruntime.InferenceSession(network.SerializeToString(), options, providers=providers, enable_fallback=0)


def plans(model: Model, smoke: bool) -> dict[str, Any]:
    """Milliseconds of a run between host arrays, when all have one shape and when two alternate."""
    session = CudaSession(model, precision="fp16")
    stream = session.kernels.Stream()  # lives as long as what is opened on it
    options = CudaOptions(layout="NCHW", graph=False).of_provider("fp16", stream)
    runtime = _open(session.network, options, smoke)
    name = runtime.get_inputs()[0].name
    rng = np.random.default_rng(0)
    shapes = [(1, 3, 32, 48), (1, 3, 48, 32)] if smoke else [(1, 3, 256, 384), (1, 3, 384, 256)]
    batches = [rng.random(shape, np.float32).astype(np.float16) for shape in shapes]

    def times(order: list[np.ndarray]) -> dict[str, float]:
        taken = []
        for batch in order:
            began = time.perf_counter()
            runtime.run(None, {name: batch})
            taken.append((time.perf_counter() - began) * 1e3)
        return spread(taken[2:])  # the first of each shape sets things up

    rounds = 2 if smoke else 20
    same, alternating = times([batches[0]] * (2 + rounds)), times(batches * (1 + rounds // 2))
    return {"same_shape_ms": same, "alternating_ms": alternating, "ratio": alternating["median"] / same["median"]}


def agreement(name: str, smoke: bool) -> dict[str, Any]:
    """A photograph by both, in the precision that is chosen and in float32."""
    pixels = subject.photo(64 if smoke else 512)
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
            "ran": report.network if report else None,
            "decibels": float(10 * np.log10(255**2 / max(error, 1e-9))),
            "largest_steps": int(difference.max()),
            "samples_that_differ": float(np.mean(difference > 0)),
        }
    return findings


def main() -> None:
    programme = Programme("questions", __doc__ or "")
    smoke, findings = programme.smoke, {}
    for name in NETWORKS[:1] if smoke else NETWORKS:
        model = load_model(name, FACTOR, cache_dir=Settings.from_environment().cache_dir)
        findings[name] = {
            "transposes": transposes(model, smoke),
            "plans": plans(model, smoke),
            "agreement": agreement(name, smoke),
        }
    programme.keep(findings)


if __name__ == "__main__":
    main()
