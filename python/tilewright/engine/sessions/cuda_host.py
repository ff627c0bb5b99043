"""ONNX Runtime on CUDA with arrays in host memory, for tiles that cannot stay on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.engine.sessions.cuda_options import PROVIDER, check_provider, float32_options, session_options
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sessions.prepare import prepare
from tilewright.errors import DeviceError
from tilewright.runtimes import open_onnx

if TYPE_CHECKING:
    from tilewright.models.spec import Model


class CudaHostSession(OnnxRuntimeSession):
    """Any network on CUDA, in float32. It takes any tile shape.

    Every batch and every result is copied.
    """

    device = "cuda"

    def __init__(self, model: Model) -> None:
        """Opens the network.

        Raises:
            DeviceError: The runtime cannot be loaded, or CUDA cannot run the whole graph.
            ModelError: The file is not a valid ONNX file.
        """
        network = prepare(model)
        options = {"cudnn_conv_algo_search": "HEURISTIC", **float32_options("fp32")}
        try:
            session = open_onnx(network.network, session_options(), providers=[(PROVIDER, options)])
        except Exception as error:  # the runtime's exceptions have no common base class
            raise DeviceError(f"CUDA cannot run {model.spec.name}: {error}") from error
        check_provider(session, model.spec.name)
        self._use(model, network, session)
