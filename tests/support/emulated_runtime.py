"""An onnxruntime for the emulated device: it reads and writes the device's memory, and computes on the CPU."""

from __future__ import annotations

import ctypes
import math
import threading
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from tilewright.models.spec import Model, ModelSpec


class EmulatedRuntime:
    """Replaces the module ``onnxruntime``.

    Attributes:
        sessions: All sessions that were opened, with their arguments.
        arena_bytes: Device memory that a session allocates per pixel of its batch in its first run.
        capture_error: Message of the error that captured runs raise; empty if they succeed.
        missing_provider: Whether the CUDA provider fails to start.
        spoil: Called with the session and the result of every run except a session's first, to change the result.
        threads: Identifiers of the threads that opened or ran sessions.
    """

    __version__ = "emulated"

    def __init__(self, kernels: Any) -> None:
        self.kernels = kernels
        self.sessions: list[Any] = []
        self.arena_bytes = 0
        self.capture_error, self.missing_provider = "", False
        self.spoil = lambda _session, _result: None
        self.threads: set[int] = set()
        runtime = self

        class InferenceSession(_Session):
            def __init__(self, network: bytes, options: Any, *, providers: list[Any]) -> None:
                super().__init__(runtime, network, options, providers)

        self.InferenceSession = InferenceSession
        self.RunOptions = onnxruntime.RunOptions

    def open_onnx(self, network: bytes, options: Any, *, providers: Any) -> Any:
        """Replaces `tilewright.runtimes.open_onnx`."""
        return self.InferenceSession(network, options, providers=list(providers))

    @property
    def last(self) -> Any:
        """The most recently opened session."""
        return self.sessions[-1]


class _Session:
    def __init__(self, runtime: EmulatedRuntime, network: bytes, options: Any, providers: Any) -> None:
        self.runtime, self.network, self.options = runtime, onnx.load_from_string(network), options
        self.providers = providers
        self.runs: list[Any] = []
        self._cpu = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        self._arena: Any = None
        self.get_inputs, self.get_outputs = self._cpu.get_inputs, self._cpu.get_outputs
        runtime.sessions.append(self)
        runtime.threads.add(threading.get_ident())

    @property
    def provider_options(self) -> dict[str, str]:
        return self.providers[0][1]

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"] if self.runtime.missing_provider else ["CUDAExecutionProvider"]

    def io_binding(self) -> _Binding:
        return _Binding()

    def run_with_iobinding(self, binding: _Binding, run_options: Any) -> None:
        self.runtime.threads.add(threading.get_ident())
        if self.runtime.capture_error and self.provider_options["enable_cuda_graph"] == "1":
            raise RuntimeError(self.runtime.capture_error)
        batch = binding.array("input")
        if self._arena is None and self.runtime.arena_bytes:
            nbytes = math.prod(self.batch_shape) // 3 * self.runtime.arena_bytes
            try:
                self._arena = self.runtime.kernels.DeviceBuffer(nbytes)
            except MemoryError:
                message = f"Failed to allocate memory for requested buffer of size {nbytes}"
                raise RuntimeError(message) from None
        (name, _, _), *_ = binding.bound["input"]
        result = self._cpu.run(None, {name: batch})[0]
        if self.runs:
            self.runtime.spoil(self, result)
        binding.array("output")[...] = result
        self.runs.append(run_options)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self._cpu.get_inputs()[0].shape)


class _Binding:
    def __init__(self) -> None:
        self.bound: dict[str, tuple[tuple[str, str, int], Any, tuple[int, ...], int]] = {}

    def bind_input(self, name, device, device_id, dtype, shape, pointer) -> None:
        self.bound["input"] = (name, device, device_id), dtype, tuple(shape), pointer

    def bind_output(self, name, device, device_id, dtype, shape, pointer) -> None:
        self.bound["output"] = (name, device, device_id), dtype, tuple(shape), pointer

    def array(self, which: str) -> np.ndarray:
        """Returns the bound memory as an array."""
        _, dtype, shape, pointer = self.bound[which]
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        memory = (ctypes.c_uint8 * nbytes).from_address(pointer)
        return np.frombuffer(memory, dtype).reshape(shape)


def small_network(path: Any, *, scale: int = 2, planes: int = 3, tail: bool = True, gain: float = 1.0) -> Model:
    """Writes a network of two convolutions with random weights.

    Args:
        path: File to write.
        scale: Output pixels per input pixel along each axis.
        planes: Number of channels, 1 or 3.
        tail: Whether the canvas can perform the last operations. Otherwise the pixel shuffle has another order.
        gain: Factor of the last convolution's weights. With 0, the network repeats pixels and adds small constants.
    """
    rng = np.random.default_rng(7)
    weights = [
        numpy_helper.from_array(values.astype(np.float32), name)
        for name, values in (
            ("w1", rng.normal(0, 0.3, (8, planes, 3, 3))),
            ("b1", rng.normal(0, 0.1, 8)),
            ("slope", rng.uniform(0, 0.5, (8, 1, 1))),
            ("w2", rng.normal(0, 0.05 * gain, (planes * scale**2, 8, 3, 3))),
            ("b2", rng.normal(0, 0.01, planes * scale**2)),
            ("scales", np.array([1, 1, scale, scale])),
        )
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("PRelu", ["c1", "slope"], ["a1"]),
        helper.make_node("Conv", ["a1", "w2", "b2"], ["c2"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["c2"], ["shuffled"], blocksize=scale, mode="CRD" if tail else "DCR"),
        helper.make_node(
            "Resize", ["x", "", "scales"], ["base"], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
        helper.make_node("Add", ["shuffled", "base"], ["y"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", planes, "h", "w"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", planes, "H", "W"])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    order = "Y" if planes == 1 else "RGB"
    return Model(path, ModelSpec(name="small", scale=scale, halo=2, receptive_radius=2, channel_order=order))
