"""ONNX Runtime on CUDA, with batches and results in device memory."""

from __future__ import annotations

import logging
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tilewright.engine.sessions.base import DeviceMemoryError, device_memory, new_result, result_shape
from tilewright.engine.sessions.cuda_check import cuda_kernels
from tilewright.engine.sessions.cuda_options import PROVIDER, CudaOptions, check_provider, session_options
from tilewright.engine.sessions.onnxruntime import MEMORY_FACTOR
from tilewright.engine.sessions.precision import passes_gate
from tilewright.engine.sessions.prepare import split_tail
from tilewright.errors import DeviceError, InferenceError
from tilewright.models.graph.cost import bytes_per_pixel
from tilewright.models.graph.fixed_shape import with_fixed_shape, with_nhwc_io
from tilewright.models.graph.float16 import to_float16
from tilewright.runtimes import import_runtime, open_onnx

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from tilewright._cuda import DeviceTensor, Stream
    from tilewright.engine.sessions.base import Session, Streaming
    from tilewright.models.spec import Model

_log = logging.getLogger("tilewright")

_Shape = tuple[int, int, int, int]

# Shapes that stay open between pictures, including the shape of tiles that are run again.
_KEPT_SHAPES = 4

# Messages of the runtime, cuDNN, cuBLAS and CUDA about a lack of memory.
_NO_MEMORY = re.compile(r"out of memory|allocate memory|ALLOC_FAILED|bad_alloc|MemoryAllocation", re.IGNORECASE)


class CudaSession:
    """A network on CUDA, for tiles that are gathered and blended on the device. See `take`.

    Each batch shape has its own ``InferenceSession``, because one of those is optimised and
    captured for one shape.
    """

    device = "cuda"
    tensor_memory: Literal["host", "cuda"] = "cuda"
    streaming: Streaming | None = None
    ensemble = 1

    def __init__(self, model: Model, *, precision: str, options: CudaOptions | None = None) -> None:
        """Prepares the network. It is opened for a shape with the first batch of that shape.

        Args:
            model: A network of native layout, see `is_native_layout`.
            precision: ``"fp32"``, or ``"fp16"`` for all operations except `KEPT_IN_FLOAT32`.
            options: Options of the provider; None for the defaults.

        Raises:
            DeviceError: The runtime cannot be loaded.
            ModelError: The file is not a valid ONNX file.
        """
        head, self.tail = split_tail(model)
        self.kernels = cuda_kernels()
        self.spec = model.spec
        self.precision = precision
        self.dtype = np.dtype(np.float16 if precision == "fp16" else np.float32)
        self.options = options or CudaOptions()
        self.planes = model.spec.planes
        self.activation_bytes = bytes_per_pixel(head) * self.dtype.itemsize / 4 * MEMORY_FACTOR
        self.runtime = f"onnxruntime {import_runtime('onnxruntime').__version__}"
        self.network = to_float16(head) if precision == "fp16" else head
        self._stream: Stream = self.kernels.Stream()
        self._thread = _RuntimeThread()
        self._idle: list[BoundNetwork] = []

    def take(self, count: int, height: int, width: int) -> BoundNetwork:
        """Returns the network bound to memory for batches of a shape.

        The caller owns it until `give_back`. No other thread of this process may allocate device
        memory during the call: that would abort a graph capture.

        Raises:
            DeviceError: CUDA cannot run the network, or not all of it.
            DeviceMemoryError: The device has not enough memory.
        """
        shape = (count, self.planes, height, width)
        shapes = [bound.shape for bound in self._idle]
        if shape in shapes:
            return self._idle.pop(shapes.index(shape))
        try:
            return self._bind(shape)
        except DeviceMemoryError:
            if not self._idle:
                raise
        self._idle.clear()  # frees the memory of other shapes
        return self._bind(shape)

    def give_back(self, bound: BoundNetwork) -> None:
        """Returns a network from `take`; it is kept for the next batch of its shape."""
        self._idle.append(bound)
        del self._idle[:-_KEPT_SHAPES]

    def blank(self, height: int, width: int) -> tuple[DeviceTensor, DeviceTensor, Stream]:
        """Returns a batch of one tile and its result, all zeros, and the stream that writes them.

        Raises:
            DeviceMemoryError: The device has not enough memory.
        """
        shape = (1, self.planes, height, width)
        tensors = []
        for each in (shape, result_shape(shape, self.spec, self.tail)):
            with device_memory(self.spec.name):
                memory = self.kernels.DeviceBuffer(math.prod(each) * self.dtype.itemsize)
            self.kernels.upload(np.zeros(each, self.dtype), memory, self._stream)
            tensors.append(self.kernels.DeviceTensor(memory, each, self.dtype, layout=self.options.layout))
        return tensors[0], tensors[1], self._stream

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`. Batch and result are copied to the device and back."""
        if batch.shape[1] != self.planes:
            raise InferenceError(f"{self.spec.name} failed on a batch of shape {batch.shape}: not {self.planes} planes")
        result = self.new_result(batch.shape) if result is None else result
        bound = self.take(batch.shape[0], *batch.shape[2:])
        try:
            bound.run(batch, result)
        finally:
            self.give_back(bound)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec, self.tail, self.dtype)

    def _bind(self, shape: _Shape) -> BoundNetwork:
        if not self.options.graph:
            return self._bound(shape, self.options)
        try:
            return self._bound(shape, self.options)
        except DeviceMemoryError as error:
            if self._idle:
                raise
            # An arena that would have to grow during a graph capture raises this too, however much
            # memory is free.
            reason = str(error)  # not the error itself: its frames would keep memory alive
        except DeviceError as error:
            reason = str(error)
        # A stream whose capture was aborted may stay unusable, also for the networks that are bound
        # to it.
        self._stream = self.kernels.Stream()
        self._idle.clear()
        without = replace(self.options, graph=False)
        bound = self._bound(shape, without)
        _log.info("%s runs without a CUDA graph: %s", self.spec.name, reason)
        self.options = without
        return bound

    def _bound(self, shape: _Shape, options: CudaOptions) -> BoundNetwork:
        network = with_fixed_shape(self.network, shape[0], *shape[2:])
        if options.layout == "NHWC":
            network = with_nhwc_io(network)
        opening = _Opening(
            network.SerializeToString(),
            self.spec.name,
            shape,
            result_shape(shape, self.spec, self.tail),
            self.dtype,
            options.layout,
            options.provider_options(self.precision, self._stream),
        )
        return BoundNetwork(opening, self.kernels, self._stream, self._thread)


class _RuntimeThread:
    """The only thread that calls the runtime.

    A captured graph belongs to the thread that captured it.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tilewright-cuda")

    def call(self, what: str, function: Callable[[], None]) -> None:
        """Calls a function on the thread and maps the runtime's exceptions.

        Raises:
            DeviceMemoryError: The device has not enough memory.
            InferenceError: Anything else failed. The message begins with `what`.
        """
        try:
            self._pool.submit(function).result()
        except Exception as error:  # the runtime's exceptions have no common base class
            kind = DeviceMemoryError if _NO_MEMORY.search(str(error)) else InferenceError
            raise kind(f"{what}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Opening:
    """Arguments for opening an ``InferenceSession``."""

    network: bytes
    name: str
    shape: _Shape
    result_shape: _Shape
    dtype: np.dtype
    layout: str
    provider_options: dict[str, str]


class BoundNetwork:
    """A network for one batch shape, bound to device memory.

    Attributes:
        shape: ``(n, planes, height, width)`` of the batch.
        batch: Input of the network.
        result: Output of the network.
        stream: Stream that runs the network.
    """

    def __init__(self, opening: _Opening, kernels: ModuleType, stream: Stream, thread: _RuntimeThread) -> None:
        """Opens the runtime and runs the network once.

        The first run selects algorithms and, if the options say so, captures a graph.

        Raises:
            DeviceError: CUDA cannot run the network, or not all of it.
            DeviceMemoryError: The device has not enough memory.
        """
        self.shape, self.stream = opening.shape, stream
        self._opening, self._kernels, self._thread = opening, kernels, thread
        self._runtime: Any = None
        self._binding: Any = None
        with device_memory(opening.name):
            self._batch_memory, self.batch = self._tensor(opening.shape)
            self._result_memory, self.result = self._tensor(opening.result_shape)
        try:
            thread.call(f"CUDA cannot run {opening.name}", self._open)
        except DeviceMemoryError:
            raise
        except InferenceError as error:
            raise DeviceError(error.message) from error

    def __del__(self) -> None:
        # The runtime goes first: it uses the stream and the memory.
        self._binding = self._runtime = None

    def enqueue(self) -> None:
        """Queues a run on the stream and returns before it is finished.

        Raises:
            DeviceMemoryError: The device has not enough memory.
            InferenceError: The runtime failed.
        """
        self._thread.call(f"{self._opening.name} failed on a batch of shape {self.shape}", self._enqueue)

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating]) -> None:
        """Runs a batch ``[n, planes, height, width]``; batch and result are in host memory."""
        last, dtype = self._opening.layout == "NHWC", self._opening.dtype
        stored = np.ascontiguousarray(batch.transpose(0, 2, 3, 1) if last else batch, dtype)
        values = np.empty(self.result.stored_shape, dtype)
        self._kernels.upload(stored, self._batch_memory, self.stream)
        self.enqueue()
        self._kernels.download(self._result_memory, values, self.stream)
        self.stream.synchronize()
        np.copyto(result, values.transpose(0, 3, 1, 2) if last else values)

    def _tensor(self, shape: _Shape) -> tuple[Any, DeviceTensor]:
        opening = self._opening
        memory = self._kernels.DeviceBuffer(math.prod(shape) * opening.dtype.itemsize, self.stream.device)
        return memory, self._kernels.DeviceTensor(memory, shape, opening.dtype, layout=opening.layout)

    def _open(self) -> None:
        opening = self._opening
        providers = [(PROVIDER, opening.provider_options)]
        self._runtime = open_onnx(opening.network, session_options(), providers=providers)
        check_provider(self._runtime, opening.name)
        self._binding = self._runtime.io_binding()
        for bind, value, tensor in (
            (self._binding.bind_input, self._runtime.get_inputs()[0], self.batch),
            (self._binding.bind_output, self._runtime.get_outputs()[0], self.result),
        ):
            bind(value.name, "cuda", self.stream.device, opening.dtype.type, tensor.stored_shape, tensor.pointer)
        # A run only queues its work on the stream. The reader of the result waits for it.
        self._run_options = import_runtime("onnxruntime").RunOptions()
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._enqueue()
        self.stream.synchronize()

    def _enqueue(self) -> None:
        self._runtime.run_with_iobinding(self._binding, self._run_options)


def open_fastest(model: Model) -> Session:
    """Opens a session in float16 if the network passes the precision gate, else in float32."""
    exact, fast = (CudaSession(model, precision=precision) for precision in ("fp32", "fp16"))
    return fast if passes_gate(exact, fast) else exact
