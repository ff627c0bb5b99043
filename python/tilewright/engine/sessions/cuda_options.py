"""How ONNX Runtime is asked to run a network on CUDA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tilewright.errors import DeviceError
from tilewright.runtimes import onnxruntime_options

if TYPE_CHECKING:
    from tilewright._cuda import Stream

PROVIDER = "CUDAExecutionProvider"


def session_options() -> Any:
    """Session options under which a node that CUDA does not take is an error, not a slow answer."""
    options = onnxruntime_options()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def check_provider(session: Any, name: str) -> None:
    """Makes sure of CUDA: the runtime goes on without a provider that does not start, and says so on stdout only.

    Raises:
        DeviceError: that is what it did with the network of this name.
    """
    if session.get_providers()[0] != PROVIDER:
        raise DeviceError(f"CUDA cannot run {name}: its provider did not start")


@dataclass(frozen=True, slots=True)
class CudaOptions:
    """How a network runs on a device's memory. The defaults are what is used, the others are there to be measured.

    Attributes:
        layout: of batches and results.
        prefer_nhwc: whether convolutions run with channels last, as tensor cores want them.
        fuse_conv_bias: whether a convolution adds its bias itself, which saves a pass over its result.
        algorithm_search: of which of cuDNN's lists the first plan is taken.
        graph: whether a run is captured once and replayed from then on.
    """

    layout: Literal["NCHW", "NHWC"] = "NHWC"
    prefer_nhwc: bool = True
    fuse_conv_bias: bool = True
    algorithm_search: Literal["HEURISTIC", "EXHAUSTIVE"] = "HEURISTIC"
    graph: bool = True

    def of_provider(self, precision: str, stream: Stream) -> dict[str, str]:
        """Options of the provider, for work that is to be put on a stream."""
        options = {
            "device_id": str(stream.device),
            "user_compute_stream": str(stream.handle),
            "prefer_nhwc": str(int(self.prefer_nhwc)),
            "fuse_conv_bias": str(int(self.fuse_conv_bias)),
            "cudnn_conv_algo_search": self.algorithm_search,
            # Shapes are fixed: what is asked for at first is all there will be, and doubling it would be wasted.
            "arena_extend_strategy": "kSameAsRequested",
            "enable_cuda_graph": str(int(self.graph)),
        }
        return options | exact_options(precision)


def exact_options(precision: str) -> dict[str, str]:
    """What makes float32 mean float32: TF32 has no more digits than float16."""
    return {"use_tf32": "0"} if precision == "fp32" else {}
