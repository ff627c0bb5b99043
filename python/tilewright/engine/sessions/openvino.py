"""OpenVINO on CPU: the fastest runtime there, in bf16 where the CPU has it and the network bears it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.engine.sessions.base import from_graph, to_graph
from tilewright.errors import InferenceError, ModelError
from tilewright.models.probe import natural_patch
from tilewright.runtimes import import_runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.models.spec import Model

# Agreement with float32 on natural content that bf16 must reach to be used: at 50 dB the error is 0.8 of an 8-bit step.
BF16_GATE_DB = 50.0
_PROBE_SIZE = 64
_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoSession:
    """A network on OpenVINO. Any tile shape: one compiled network serves all, as fast as one compiled for a shape."""

    device = "cpu"

    def __init__(self, model: Model, *, precision: str, threads: int) -> None:
        """Compiles the network.

        Args:
            model: the network.
            precision: ``"fp32"`` or ``"bf16"``.
            threads: threads of the runtime.

        Raises:
            DeviceError: the runtime cannot be loaded.
            ModelError: the runtime does not take the file.
        """
        openvino = import_runtime("openvino")
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        }
        try:
            compiled = _core().compile_model(str(model.path), "CPU", config)
        except Exception as error:  # the runtime raises plain RuntimeError and classes of its own
            raise ModelError(f"OpenVINO does not take {model.path}: {error}", parameter="model") from error
        self.spec = model.spec
        self.runtime = f"openvino {openvino.__version__.split('-')[0]}"
        self.precision = precision
        self._request = compiled.create_infer_request()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Session.run`."""
        try:
            results = self._request.infer([to_graph(batch, self.spec)], share_inputs=True, share_outputs=True)
        except Exception as error:  # as above
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: {error}") from error
        return from_graph(results[0], self.spec)


def open_best(model: Model, *, threads: int) -> OpenVinoSession:
    """A session in bf16 when the CPU has it and it agrees with float32 on a natural patch, else in float32."""
    exact = OpenVinoSession(model, precision="fp32", threads=threads)
    if not cpu_has_bf16():
        return exact
    fast = OpenVinoSession(model, precision="bf16", threads=threads)
    height, width = model.spec.fixed_size or (_PROBE_SIZE, _PROBE_SIZE)
    patch = _probe_batch(height, width, model.spec.channel_order == "Y", model.spec.value_range)
    return fast if _agreement_db(exact.run(patch), fast.run(patch), model.spec.value_range) >= BF16_GATE_DB else exact


def cpu_has_bf16() -> bool:
    """Whether OpenVINO computes in bf16 on this CPU."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _probe_batch(height: int, width: int, grey: bool, value_range: tuple[float, float]) -> NDArray[np.float32]:
    black, white = value_range
    planes = natural_patch(height, width).transpose(2, 0, 1)[None] * (white - black) + black
    return np.ascontiguousarray(planes[:, :1] if grey else planes, dtype=np.float32)


def _agreement_db(exact: NDArray[np.float32], fast: NDArray[np.float32], value_range: tuple[float, float]) -> float:
    """Peak signal-to-noise ratio of what would be seen: both clipped to the value range."""
    black, white = value_range
    error = np.mean((np.clip(exact, black, white) - np.clip(fast, black, white)) ** 2, dtype=np.float64)
    if not np.isfinite(error):
        return 0.0
    return float(10 * np.log10((white - black) ** 2 / max(error, 1e-20)))


@functools.cache
def _core() -> Any:
    return import_runtime("openvino").Core()
