"""ONNX Runtime on CUDA with arrays of the host: where tiles cannot stay on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.engine.sessions.base import without_tail
from tilewright.engine.sessions.cuda_options import PROVIDER, check_provider, exact_options, session_options
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.errors import DeviceError
from tilewright.runtimes import import_runtime

if TYPE_CHECKING:
    from tilewright.models.spec import Model


class CudaHostSession(OnnxRuntimeSession):
    """A network on CUDA, in float32. Any network and any tile shape; every batch and result is copied."""

    device = "cuda"

    def __init__(self, model: Model) -> None:
        """Opens the network.

        Raises:
            DeviceError: the runtime cannot be loaded, or CUDA cannot run all of the graph.
            ModelError: the file is no ONNX file.
        """
        runnable = without_tail(model)
        options = {"cudnn_conv_algo_search": "HEURISTIC", **exact_options("fp32")}
        onnxruntime = import_runtime("onnxruntime")
        try:
            session = onnxruntime.InferenceSession(
                runnable.network, session_options(), providers=[(PROVIDER, options)], enable_fallback=0
            )
        except Exception as error:  # the runtime raises classes of its own without a common base
            raise DeviceError(f"CUDA cannot run {model.spec.name}: {error}") from error
        check_provider(session, model.spec.name)
        self._serve(model, runnable, session)
