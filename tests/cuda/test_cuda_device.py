"""Memory, streams and errors of an emulated or real CUDA device."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from support.device import Device, module_of, set_free_memory
from tilewright import _core


@pytest.fixture
def emulated():
    """Returns the emulated module, and resets its machine after the test."""
    module = module_of("_cuda_emulated")
    yield module
    module.emulate()


def test_the_module_loads_without_a_driver_and_names_the_problem():
    try:
        cuda = importlib.import_module("tilewright._cuda")
    except ModuleNotFoundError:
        pytest.skip("built without _cuda")
    problem = cuda.problem()
    if problem is None:
        pytest.skip("there is a device")
    assert problem.startswith(("there is no NVIDIA driver", "the NVIDIA driver finds no CUDA device"))
    with pytest.raises(cuda.CudaError, match=r"cuda.* failed with cudaError"):
        cuda.DeviceBuffer(1)


@pytest.mark.parametrize(
    ("machine", "problem"),
    [
        ({}, None),
        ({"driver_error": 35}, "there is no NVIDIA driver, or it is too old for CUDA 13.0"),
        ({"driver_error": 100}, "the NVIDIA driver finds no CUDA device"),
        ({"devices": 0}, "the NVIDIA driver finds no CUDA device"),
        ({"driver_error": 700}, "CUDA initialisation failed: cudaErrorIllegalAddress (700): an emulated error"),
        ({"capability": (7, 5)}, "Emulated has compute capability 7.5; 8.0 or higher is required"),
        ({"capability": (8, 0)}, None),
        (
            {"capability": (10, 0), "has_kernels": False},
            "this build has no kernels for Emulated (compute capability 10.0)",
        ),
    ],
)
def test_every_problem_is_named(emulated, machine, problem):
    emulated.emulate(**machine)
    assert emulated.problem() == problem


def test_a_device_that_does_not_exist_is_rejected(emulated):
    emulated.emulate(devices=2)
    assert emulated.problem(1) is None
    assert emulated.problem(2) == "there is no CUDA device 2; valid devices are 0 to 1"
    assert emulated.problem(-1) == "there is no CUDA device -1; valid devices are 0 to 1"
    with pytest.raises(emulated.CudaError, match=r"cudaSetDevice failed with cudaErrorInvalidDevice \(101\)"):
        emulated.Stream(2)


def test_an_allocation_that_does_not_fit_reports_the_sizes(emulated):
    total = set_free_memory(emulated, 1000)
    first = emulated.DeviceBuffer(600)
    with pytest.raises(MemoryError, match=f"cannot allocate 500 bytes on CUDA device 0: 400 of {total} bytes are free"):
        emulated.DeviceBuffer(500)
    image = emulated.DeviceImage(first, (2, 3, 3), np.uint8)
    del first
    assert emulated.memory() == (400, total), "an image keeps its buffer alive"
    del image
    assert emulated.memory() == (1000, total)
    assert emulated.DeviceBuffer(1000).nbytes == 1000


def test_a_canvas_allocates_the_memory_that_it_reports(emulated):
    plan = _core.TilePlan(64, 64, tile_width=40, tile_height=40, feather=4)
    total = set_free_memory(emulated, 10**6)
    canvas = emulated.Canvas(plan, 2)
    assert emulated.memory() == (10**6 - canvas.nbytes, total)
    emulated.emulate(memory=total - 10**6 + 2 * canvas.nbytes - 1)
    with pytest.raises(MemoryError, match=f"cannot allocate {canvas.nbytes} bytes"):
        emulated.Canvas(plan, 2)


def test_memory_that_cannot_be_pinned_is_an_error(emulated):
    emulated.fail_next("cudaHostAlloc", 2)
    with pytest.raises(MemoryError, match="cannot pin 5 bytes of host memory"):
        emulated.PinnedBuffer(5)


@pytest.mark.parametrize("call", ["cudaStreamSynchronize", "cudaMemcpyAsync"])
def test_an_error_names_the_call(emulated, call):
    device = Device(emulated)
    buffer = emulated.DeviceBuffer(4)
    emulated.fail_next(call, 700)
    with pytest.raises(emulated.CudaError, match=rf"{call} failed with cudaErrorIllegalAddress \(700\): an emulated"):
        device.bytes_of(buffer)
    assert device.bytes_of(buffer).size == 4


def test_a_tile_can_be_blended_after_a_failed_launch(emulated):
    device = Device(emulated)
    plan = _core.TilePlan(4, 4, tile_width=4, tile_height=4)
    canvas = emulated.Canvas(plan, 1)
    result, (band, buffer) = (
        device.tensor(np.ones((1, 3, 4, 4), np.float16)),
        device.image(np.zeros((4, 4, 3), np.uint8)),
    )
    count = emulated.DeviceBuffer(8)
    emulated.fail_next("cudaLaunchKernelEx", 700)
    with pytest.raises(emulated.CudaError, match="cudaLaunchKernelEx failed"):
        canvas.blend(0, result, band, device.stream, nonfinite=count)
    canvas.blend(0, result, band, device.stream, nonfinite=count)
    assert (device.bytes_of(buffer) == 255).all()


def test_an_uploaded_array_is_downloaded_unchanged(device):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    buffer = device.module.DeviceBuffer(200)
    assert buffer.nbytes == 200
    assert buffer.device == 0
    device.module.upload(array, buffer, device.stream, offset=100)
    downloaded = np.zeros_like(array)
    device.module.download(buffer, downloaded, device.stream, offset=100)
    device.stream.synchronize()
    np.testing.assert_array_equal(downloaded, array)


def test_pinned_arrays_keep_their_buffer_alive(device):
    pinned = device.module.PinnedBuffer(64)
    assert pinned.nbytes == 64
    first = pinned.array((4, 4), np.uint16)
    second = pinned.array((2, 2, 2), "float32", offset=32)
    del pinned
    first[...] = 7
    second[...] = 9
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert (first == 7).all()
    buffer = device.buffer(first)
    np.testing.assert_array_equal(device.bytes_of(buffer).view(np.uint16), np.full(16, 7))


@pytest.mark.parametrize(
    ("shape", "offset", "message"),
    [
        ((65,), 0, "shape does not fit a buffer of 64 bytes"),
        ((2**40, 2**40), 0, "shape does not fit a buffer of 64 bytes"),
        ((-1,), 0, "shape does not fit"),
        ((60,), 5, "60 bytes at offset 5 are not within a buffer of 64 bytes"),
        ((1,), -1, "1 bytes at offset -1 are not within a buffer of 64 bytes"),
    ],
)
def test_a_pinned_array_outside_its_buffer_is_rejected(device, shape, offset, message):
    with pytest.raises(ValueError, match=message):
        device.module.PinnedBuffer(64).array(shape, np.uint8, offset=offset)


def test_unsuitable_copies_are_rejected(device):
    module, stream = device.module, device.stream
    buffer = module.DeviceBuffer(10)
    with pytest.raises(ValueError, match="11 bytes at offset 0 are not within a buffer of 10 bytes"):
        module.upload(np.zeros(11, np.uint8), buffer, stream)
    with pytest.raises(ValueError, match="4 bytes at offset 7 are not within a buffer of 10 bytes"):
        module.download(buffer, np.zeros(4, np.uint8), stream, offset=7)
    with pytest.raises(ValueError, match="array must be C-contiguous"):
        module.upload(np.zeros((3, 4), np.uint8)[:, :2], buffer, stream)
    read_only = np.zeros(4, np.uint8)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        module.download(buffer, read_only, stream)
    for make in (module.DeviceBuffer, module.PinnedBuffer):
        with pytest.raises(ValueError, match="nbytes must be 1 or more, not 0"):
            make(0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": (4, 4, 5)}, ValueError, "80 bytes at offset 0 are not within a buffer of 64 bytes"),
        ({"shape": (4, 4, 4), "offset": 1}, ValueError, "64 bytes at offset 1 are not within a buffer of 64 bytes"),
        ({"shape": (4, 0, 4)}, ValueError, r"shape must have lengths of 1 to 2\^31-1 .*not \[4, 0, 4\]"),
        ({"shape": (2**30, 2**30, 2**30)}, ValueError, r"less than 2\^63 bytes"),
        ({"dtype": np.float32}, TypeError, "dtype must be uint8 or uint16, not float32"),
        ({"dtype": np.uint16, "offset": 1}, ValueError, "offset must be a multiple of 2, not 1"),
    ],
)
def test_unsuitable_images_are_rejected(device, arguments, error, message):
    buffer = device.module.DeviceBuffer(64)
    with pytest.raises(error, match=message):
        device.module.DeviceImage(**({"buffer": buffer, "shape": (2, 2, 3), "dtype": np.uint8} | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": (1, 3, 4, 4)}, ValueError, "96 bytes at offset 0 are not within a buffer of 64 bytes"),
        ({"layout": "CHW"}, ValueError, "layout must be 'NCHW' or 'NHWC', not 'CHW'"),
        ({"shape": (0, 3, 2, 2)}, ValueError, r"not \[0, 3, 2, 2\]"),
        ({"shape": (1, 0, 2, 2), "layout": "NHWC"}, ValueError, r"not \[1, 0, 2, 2\]"),
        ({"dtype": np.float64}, TypeError, "dtype must be float32 or float16, not float64"),
        ({"offset": 3}, ValueError, "offset must be a multiple of 2, not 3"),
    ],
)
def test_unsuitable_tensors_are_rejected(device, arguments, error, message):
    buffer = device.module.DeviceBuffer(64)
    with pytest.raises(error, match=message):
        device.module.DeviceTensor(**({"buffer": buffer, "shape": (1, 3, 2, 2), "dtype": np.float16} | arguments))


@pytest.mark.parametrize(("layout", "stored"), [("NCHW", (4, 3, 5, 6)), ("NHWC", (4, 5, 6, 3))])
def test_tiles_of_a_tensor_are_views_of_it(device, layout, stored):
    tile_bytes = 2 * 3 * 5 * 6
    buffer = device.module.DeviceBuffer(4 * tile_bytes + 2)
    tensor = device.module.DeviceTensor(buffer, (4, 3, 5, 6), np.float16, layout=layout, offset=2)
    assert tensor.shape == (4, 3, 5, 6)
    assert tensor.stored_shape == stored
    assert len(tensor) == 4
    assert (tensor.nbytes, tensor.pointer) == (4 * tile_bytes, buffer.pointer + 2)
    for part, begin, count in [(tensor[1], 1, 1), (tensor[-1], 3, 1), (tensor[1:3], 1, 2), (tensor[2:], 2, 2)]:
        assert part.shape == (count, 3, 5, 6)
        assert part.pointer == tensor.pointer + begin * tile_bytes
        assert part.nbytes == count * tile_bytes
    with pytest.raises(IndexError, match="tile 4 is out of range for a tensor of 4 tiles"):
        tensor[4]
    with pytest.raises(ValueError, match="must have step 1 and must not be empty"):
        tensor[::2]
    with pytest.raises(ValueError, match="must have step 1 and must not be empty"):
        tensor[3:3]


def test_streams_wait_for_events(device):
    module = device.module
    first, second, done, later = module.Stream(), module.Stream(), module.Event(), module.Event()
    assert first.handle
    assert first.handle != second.handle
    assert first.device == 0
    buffer = device.module.DeviceBuffer(4)
    module.upload(np.array([5], np.int32), buffer, first)
    done.record(first)
    second.wait(done)
    downloaded = np.zeros(1, np.int32)
    module.download(buffer, downloaded, second)
    later.record(second)
    later.synchronize()
    assert downloaded[0] == 5
    assert later.elapsed_ms(done) >= 0
    with pytest.raises(module.CudaError, match="cudaEventElapsedTime failed"):
        module.Event().elapsed_ms(done)


def test_arguments_on_another_device_are_rejected(emulated):
    emulated.emulate(devices=2)
    here, there = Device(emulated), emulated.Stream(1)
    plan = _core.TilePlan(4, 4, tile_width=4, tile_height=4)
    tensor = here.tensor(np.zeros((1, 3, 4, 4), np.float16))
    image, buffer = here.image(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="picture is on device 0, but the stream is on device 1"):
        emulated.gather(image, plan, 0, tensor, there)
    with pytest.raises(ValueError, match="buffer is on device 0, but the stream is on device 1"):
        emulated.upload(np.zeros(1), buffer, there)
    with pytest.raises(ValueError, match="canvas is on device 1, but the stream is on device 0"):
        emulated.Canvas(plan, 1, device=1).blend(0, tensor, image, here.stream, nonfinite=buffer)
    assert emulated.DeviceBuffer(4, 1).device == 1
