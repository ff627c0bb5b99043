"""Options of ONNX Runtime for networks on CUDA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tilewright.errors import DeviceError
from tilewright.runtimes import onnxruntime_options

if TYPE_CHECKING:
    from tilewright._cuda import Stream

PROVIDER = "CUDAExecutionProvider"


def session_options() -> Any:
    """Returns session options for CUDA. A node that CUDA does not support is an error.

    Without them, ONNX Runtime would run such a node on the CPU.
    """
    options = onnxruntime_options()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def check_provider(session: Any, name: str) -> None:
    """Checks that CUDA is in use.

    If a provider does not start, the runtime continues without it and only prints a message.

    Args:
        session: An ``onnxruntime.InferenceSession``.
        name: Name of the network, for the message.

    Raises:
        DeviceError: The CUDA provider did not start.
    """
    if session.get_providers()[0] != PROVIDER:
        raise DeviceError(f"CUDA cannot run {name}: its provider did not start")


@dataclass(frozen=True, slots=True)
class CudaOptions:
    """How a network runs on device memory.

    Only the defaults are in use; benchmarks compare them with the other values.

    Attributes:
        layout: Layout of batches and results.
        prefer_nhwc: Whether convolutions run in NHWC, which tensor cores need.
        fuse_conv_bias: Whether a convolution adds its bias itself, which saves one pass over its
            result.
        algorithm_search: How cuDNN's convolution algorithm is chosen.
        graph: Whether a run is captured once as a CUDA graph and then replayed.
    """

    layout: Literal["NCHW", "NHWC"] = "NHWC"
    prefer_nhwc: bool = True
    fuse_conv_bias: bool = True
    algorithm_search: Literal["HEURISTIC", "EXHAUSTIVE"] = "HEURISTIC"
    graph: bool = True

    def provider_options(self, precision: str, stream: Stream) -> dict[str, str]:
        """Returns the options of the CUDA provider for work on a stream."""
        options = {
            "device_id": str(stream.device),
            "user_compute_stream": str(stream.handle),
            "prefer_nhwc": str(int(self.prefer_nhwc)),
            "fuse_conv_bias": str(int(self.fuse_conv_bias)),
            "cudnn_conv_algo_search": self.algorithm_search,
            # Shapes are fixed, so the first request is the final one, and doubling the arena would
            # waste memory.
            "arena_extend_strategy": "kSameAsRequested",
            "enable_cuda_graph": str(int(self.graph)),
        }
        return options | float32_options(precision)


def float32_options(precision: str) -> dict[str, str]:
    """Returns options that disable TF32, which has the digits of float16, for float32 networks."""
    return {"use_tf32": "0"} if precision == "fp32" else {}
