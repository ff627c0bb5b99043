"""ONNX Runtime on CUDA with batches and results that stay on the device."""

from __future__ import annotations

import logging
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.engine.sessions.base import DeviceMemoryError, device_memory, new_result, parted, result_shape
from tilewright.engine.sessions.cuda_check import cuda_kernels
from tilewright.engine.sessions.cuda_options import PROVIDER, CudaOptions, check_provider, session_options
from tilewright.engine.sessions.onnxruntime import MEMORY
from tilewright.engine.sessions.precision import agree
from tilewright.errors import DeviceError, InferenceError
from tilewright.models.graph.cost import bytes_per_pixel
from tilewright.models.graph.fixed_shape import with_channels_last, with_shape
from tilewright.models.graph.half import to_half
from tilewright.runtimes import import_runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from tilewright._cuda import Stream, DeviceTensor
    from tilewright.engine.sessions.base import Session
    from tilewright.models.spec import Model

_log = logging.getLogger("tilewright")

_Shape = tuple[int, int, int, int]

# Shapes that stay open between pictures, and that of tiles which are run again.
_KEPT_SHAPES = 4

# How the runtime, cuDNN, cuBLAS and CUDA say that there is no memory.
_NO_MEMORY = re.compile(r"out of memory|allocate memory|ALLOC_FAILED|bad_alloc|MemoryAllocation", re.IGNORECASE)


class CudaSession:
    """A network on CUDA for tiles that are gathered and blended on the device: see `take`.

    Every shape of batch has a session of the runtime's own: one of those keeps what it settled for a single shape.
    """

    device = "cuda"

    def __init__(self, model: Model, *, precision: str, options: CudaOptions | None = None) -> None:
        """Readies the network; what a shape needs is opened for the first batch of it.

        Args:
            model: a network that goes straight, see `goes_straight`.
            precision: ``"fp32"``, or ``"fp16"``: all but `KEPT_IN_FLOAT32`.
            options: by default the best known.

        Raises:
            DeviceError: the runtime cannot be loaded.
            ModelError: the file is no ONNX file.
        """
        head, self.tail = parted(model)
        self.kernels = cuda_kernels()
        self.spec = model.spec
        self.precision = precision
        self.dtype = np.dtype(np.float16 if precision == "fp16" else np.float32)
        self.options = options or CudaOptions()
        self.planes = 1 if model.spec.channel_order == "Y" else 3
        self.activation_bytes = bytes_per_pixel(head) * self.dtype.itemsize / 4 * MEMORY
        self.runtime = f"onnxruntime {import_runtime('onnxruntime').__version__}"
        self.network = to_half(head) if precision == "fp16" else head
        self._stream: Stream = self.kernels.Stream()
        self._thread = _RuntimeThread()
        self._idle: list[BoundNetwork] = []

    def take(self, count: int, height: int, width: int) -> BoundNetwork:
        """The network bound to memory for batches of a shape. It is the caller's until `give_back`.

        Nothing else of this process may ask for memory of the device meanwhile, which breaks off a capture.

        Raises:
            DeviceError: CUDA cannot run the network, or not all of it.
            DeviceMemoryError: the device has not as much memory.
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
        self._idle.clear()  # what other shapes hold may be what is missing
        return self._bind(shape)

    def give_back(self, bound: BoundNetwork) -> None:
        """Keeps it for the next who needs its shape."""
        self._idle.append(bound)
        del self._idle[:-_KEPT_SHAPES]

    def blank(self, height: int, width: int) -> tuple[DeviceTensor, DeviceTensor, Stream]:
        """A batch of one and its result, all 0, and the stream that makes them so.

        Raises:
            DeviceMemoryError: the device has not as much memory.
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
        """See `Session.run`; batch and result are copied to the device and back."""
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
            # An arena that has to grow while a graph is captured says so too, however much memory there is.
            reason = str(error)  # its frames would hold on to memory
        except DeviceError as error:
            reason = str(error)
        # One on which a capture broke off may stay unusable, for what else is bound to it too.
        self._stream = self.kernels.Stream()
        self._idle.clear()
        without = replace(self.options, graph=False)
        bound = self._bound(shape, without)
        _log.info("%s runs without a CUDA graph: %s", self.spec.name, reason)
        self.options = without
        return bound

    def _bound(self, shape: _Shape, options: CudaOptions) -> BoundNetwork:
        network = with_shape(self.network, shape[0], *shape[2:])
        if options.layout == "NHWC":
            network = with_channels_last(network)
        opening = _Opening(
            network.SerializeToString(),
            self.spec.name,
            shape,
            result_shape(shape, self.spec, self.tail),
            self.dtype,
            options.layout,
            options.of_provider(self.precision, self._stream),
        )
        return BoundNetwork(opening, self.kernels, self._stream, self._thread)


class _RuntimeThread:
    """The one thread that calls the runtime: what that captures belongs to the thread that called it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tilewright-cuda")

    def call(self, what: str, function: Callable[[], None]) -> None:
        """Calls a function there, and maps what the runtime raises.

        Raises:
            DeviceMemoryError: the device has not as much memory.
            InferenceError: anything else; the message begins with `what`.
        """
        try:
            self._pool.submit(function).result()
        except Exception as error:  # the runtime raises classes of its own without a common base
            kind = DeviceMemoryError if _NO_MEMORY.search(str(error)) else InferenceError
            raise kind(f"{what}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Opening:
    """What a session of the runtime is opened with."""

    network: bytes
    name: str
    shape: _Shape
    result_shape: _Shape
    dtype: np.dtype
    layout: str
    provider_options: dict[str, str]


class BoundNetwork:
    """A network for one shape of batch, bound to memory of the device.

    Attributes:
        shape: ``(n, planes, height, width)`` of the batch.
        batch: what the network reads.
        result: what it writes.
        stream: where its work is put.
    """

    def __init__(self, opening: _Opening, kernels: ModuleType, stream: Stream, thread: _RuntimeThread) -> None:
        """Opens a session of the runtime and runs it once, which settles how, and captures that where it is asked to.

        Raises:
            DeviceError, DeviceMemoryError: see `CudaSession.take`.
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
        # Before the stream and the memory that it was given.
        self._binding = self._runtime = None

    def enqueue(self) -> None:
        """Puts a run on the stream; it is not done when this returns.

        Raises:
            DeviceMemoryError: the device has not as much memory.
            InferenceError: the runtime failed.
        """
        self._thread.call(f"{self._opening.name} failed on a batch of shape {self.shape}", self._enqueue)

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating]) -> None:
        """Runs a batch of the host's, ``[n, planes, height, width]``, into a result of the host's."""
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
        opening, onnxruntime = self._opening, import_runtime("onnxruntime")
        providers = [(PROVIDER, opening.provider_options)]
        self._runtime = onnxruntime.InferenceSession(
            opening.network, session_options(), providers=providers, enable_fallback=0
        )
        check_provider(self._runtime, opening.name)
        self._binding = self._runtime.io_binding()
        for bind, value, tensor in (
            (self._binding.bind_input, self._runtime.get_inputs()[0], self.batch),
            (self._binding.bind_output, self._runtime.get_outputs()[0], self.result),
        ):
            bind(value.name, "cuda", self.stream.device, opening.dtype.type, tensor.stored_shape, tensor.pointer)
        # A run only puts its work on the stream: waiting for it is for whoever reads the result.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._enqueue()
        self.stream.synchronize()

    def _enqueue(self) -> None:
        self._runtime.run_with_iobinding(self._binding, self._run_options)


def open_best(model: Model) -> Session:
    """A session in float16 when it agrees with float32 on a natural patch, else in float32."""
    exact, fast = (CudaSession(model, precision=precision) for precision in ("fp32", "fp16"))
    return fast if agree(exact, fast) else exact
