"""A CUDA device's memory, streams and faults: emulated, or real where there is one."""

from __future__ import annotations

import gc
import importlib

import numpy as np
import pytest

from support.device import MODULES, Device, module_of
from tilewright import _core


@pytest.fixture(scope="module", params=MODULES)
def device(request):
    return Device(module_of(request.param))


@pytest.fixture
def emulated():
    """The emulated module, on a machine that is put right again."""
    module = module_of("_cuda_emulated")
    yield module
    module.emulate()


def leave(emulated, nbytes):
    """Gives the device so much memory beyond what other tests still have of it; returns how much that is in all."""
    gc.collect()  # nothing may be freed while numbers are compared
    emulated.emulate()
    free, total = emulated.memory()
    emulated.emulate(memory=total - free + nbytes)
    return total - free + nbytes


def test_the_module_loads_without_a_driver_and_says_why_it_cannot_run():
    try:
        cuda = importlib.import_module("tilewright._cuda")
    except ModuleNotFoundError:
        pytest.skip("built without _cuda")
    problem = cuda.problem()
    if problem is None:
        pytest.skip("there is a device")
    assert problem.startswith(("there is no NVIDIA driver", "the NVIDIA driver has no CUDA device"))
    with pytest.raises(cuda.CudaError, match=r"cuda.* failed with cudaError"):
        cuda.DeviceBuffer(1)


@pytest.mark.parametrize(
    ("machine", "problem"),
    [
        ({}, None),
        ({"driver_error": 35}, "there is no NVIDIA driver, or one older than CUDA 13.0 needs"),
        ({"driver_error": 100}, "the NVIDIA driver has no CUDA device"),
        ({"devices": 0}, "the NVIDIA driver has no CUDA device"),
        ({"driver_error": 700}, "CUDA does not start: cudaErrorIllegalAddress (700): an emulated error"),
        (
            {"capability": (7, 5)},
            "Emulated has compute capability 7.5, and 8.0 is the lowest that is served",
        ),
        ({"capability": (8, 0)}, None),
        (
            {"capability": (10, 0), "has_kernels": False},
            "there are no kernels for Emulated, of compute capability 10.0",
        ),
    ],
)
def test_every_reason_why_it_cannot_run_is_named(emulated, machine, problem):
    emulated.emulate(**machine)
    assert emulated.problem() == problem


def test_a_device_that_is_not_there(emulated):
    emulated.emulate(devices=2)
    assert emulated.problem(1) is None
    assert emulated.problem(2) == "there is no CUDA device 2, only 0 to 1"
    assert emulated.problem(-1) == "there is no CUDA device -1, only 0 to 1"
    with pytest.raises(emulated.CudaError, match=r"cudaSetDevice failed with cudaErrorInvalidDevice \(101\)"):
        emulated.Stream(2)


def test_memory_that_is_not_there_is_an_error_with_the_numbers(emulated):
    total = leave(emulated, 1000)
    first = emulated.DeviceBuffer(600)
    with pytest.raises(MemoryError, match=f"CUDA device 0 has no 500 bytes left: 400 of {total} are free"):
        emulated.DeviceBuffer(500)
    view = emulated.ImageView(first, (2, 3, 3), np.uint8)
    del first
    assert emulated.memory() == (400, total), "a view keeps its buffer"
    del view
    assert emulated.memory() == (1000, total)
    assert emulated.DeviceBuffer(1000).nbytes == 1000


def test_a_canvas_takes_the_memory_it_says_and_no_more_than_there_is(emulated):
    plan = _core.TilePlan(64, 64, tile_width=40, tile_height=40, feather=4)
    total = leave(emulated, 10**6)
    canvas = emulated.Canvas(plan, 2)
    assert emulated.memory() == (10**6 - canvas.nbytes, total)
    emulated.emulate(memory=total - 10**6 + 2 * canvas.nbytes - 1)
    with pytest.raises(MemoryError, match="bytes left"):
        emulated.Canvas(plan, 2)


def test_memory_that_cannot_be_pinned(emulated):
    emulated.fail_next("cudaHostAlloc", 2)
    with pytest.raises(MemoryError, match="the host cannot pin 5 bytes"):
        emulated.PinnedBuffer(5)


@pytest.mark.parametrize("call", ["cudaStreamSynchronize", "cudaMemcpyAsync"])
def test_an_error_names_the_call(emulated, call):
    device = Device(emulated)
    buffer = emulated.DeviceBuffer(4)
    emulated.fail_next(call, 700)
    with pytest.raises(emulated.CudaError, match=rf"{call} failed with cudaErrorIllegalAddress \(700\): an emulated"):
        device.bytes_of(buffer)
    assert device.bytes_of(buffer).size == 4


def test_a_launch_that_fails_leaves_the_tile_to_be_blended(emulated):
    device = Device(emulated)
    plan = _core.TilePlan(4, 4, tile_width=4, tile_height=4)
    canvas = emulated.Canvas(plan, 1)
    result, (band, buffer) = (
        device.tensor(np.ones((1, 3, 4, 4), np.float16)),
        device.image(np.zeros((4, 4, 3), np.uint8)),
    )
    counts = emulated.DeviceBuffer(8)
    emulated.fail_next("cudaLaunchKernelEx", 700)
    with pytest.raises(emulated.CudaError, match="cudaLaunchKernelEx failed"):
        canvas.blend(0, result, band, device.stream, not_finite=counts)
    canvas.blend(0, result, band, device.stream, not_finite=counts)
    assert (device.bytes_of(buffer) == 255).all()


def test_arrays_come_back_as_they_went(device):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    buffer = device.module.DeviceBuffer(200)
    assert buffer.nbytes == 200
    assert buffer.device == 0
    device.module.upload(array, buffer, device.stream, offset=100)
    back = np.zeros_like(array)
    device.module.download(buffer, back, device.stream, offset=100)
    device.stream.synchronize()
    np.testing.assert_array_equal(back, array)


def test_pinned_arrays_are_views_that_keep_their_memory(device):
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
        ((65,), 0, "shape does not fit in a buffer of 64 bytes"),
        ((2**40, 2**40), 0, "shape does not fit in a buffer of 64 bytes"),
        ((-1,), 0, "shape does not fit"),
        ((60,), 5, "60 bytes from 5 on are not in a buffer of 64"),
        ((1,), -1, "1 bytes from -1 on are not in a buffer of 64"),
    ],
)
def test_a_pinned_array_lies_in_its_buffer(device, shape, offset, message):
    with pytest.raises(ValueError, match=message):
        device.module.PinnedBuffer(64).array(shape, np.uint8, offset=offset)


def test_what_does_not_fit_is_not_copied(device):
    module, stream = device.module, device.stream
    buffer = module.DeviceBuffer(10)
    with pytest.raises(ValueError, match="11 bytes from 0 on are not in a buffer of 10"):
        module.upload(np.zeros(11, np.uint8), buffer, stream)
    with pytest.raises(ValueError, match="4 bytes from 7 on are not in a buffer of 10"):
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
        ({"shape": (4, 4, 5)}, ValueError, "80 bytes from 0 on are not in a buffer of 64"),
        ({"shape": (4, 4, 4), "offset": 1}, ValueError, "64 bytes from 1 on are not in a buffer of 64"),
        ({"shape": (4, 0, 4)}, ValueError, r"shape must have lengths of 1 to 2\^31-1 .*not \[4, 0, 4\]"),
        ({"shape": (2**30, 2**30, 2**30)}, ValueError, r"less than 2\^63 bytes"),
        ({"dtype": np.float32}, TypeError, "dtype must be uint8 or uint16, not float32"),
        ({"dtype": np.uint16, "offset": 1}, ValueError, "offset must be a multiple of 2, not 1"),
    ],
)
def test_an_image_view_that_cannot_be_is_refused(device, arguments, error, message):
    buffer = device.module.DeviceBuffer(64)
    with pytest.raises(error, match=message):
        device.module.ImageView(**({"buffer": buffer, "shape": (2, 2, 3), "dtype": np.uint8} | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": (1, 3, 4, 4)}, ValueError, "96 bytes from 0 on are not in a buffer of 64"),
        ({"layout": "NHWC", "channels": 16}, ValueError, "128 bytes from 0 on are not in a buffer of 64"),
        ({"layout": "NHWC", "channels": 2}, ValueError, "channels must be at least the planes, 3, not 2"),
        ({"channels": 4}, ValueError, "channels are more than the planes with layout 'NHWC' only"),
        ({"layout": "CHW"}, ValueError, "layout must be 'NCHW' or 'NHWC', not 'CHW'"),
        ({"shape": (0, 3, 2, 2)}, ValueError, r"not \[0, 3, 2, 2\]"),
        ({"shape": (1, 0, 2, 2), "layout": "NHWC"}, ValueError, r"not \[1, 0, 2, 2\]"),
        ({"dtype": np.float64}, TypeError, "dtype must be float32 or float16, not float64"),
        ({"offset": 3}, ValueError, "offset must be a multiple of 2, not 3"),
    ],
)
def test_a_tensor_view_that_cannot_be_is_refused(device, arguments, error, message):
    buffer = device.module.DeviceBuffer(64)
    with pytest.raises(error, match=message):
        device.module.TensorView(**({"buffer": buffer, "shape": (1, 3, 2, 2), "dtype": np.float16} | arguments))


@pytest.mark.parametrize(("layout", "channels", "stored"), [("NCHW", 3, (4, 3, 5, 6)), ("NHWC", 8, (4, 5, 6, 8))])
def test_tiles_of_a_tensor_are_views_of_it(device, layout, channels, stored):
    tile_bytes = 2 * channels * 5 * 6
    buffer = device.module.DeviceBuffer(4 * tile_bytes + 2)
    options = {"layout": layout, "channels": channels, "offset": 2}
    tensor = device.module.TensorView(buffer, (4, 3, 5, 6), np.float16, **options)
    assert tensor.shape == (4, 3, 5, 6)
    assert tensor.stored_shape == stored
    assert len(tensor) == 4
    assert (tensor.nbytes, tensor.pointer) == (4 * tile_bytes, buffer.pointer + 2)
    for part, begin, count in [(tensor[1], 1, 1), (tensor[-1], 3, 1), (tensor[1:3], 1, 2), (tensor[2:], 2, 2)]:
        assert part.shape == (count, 3, 5, 6)
        assert part.pointer == tensor.pointer + begin * tile_bytes
        assert part.nbytes == count * tile_bytes
    with pytest.raises(IndexError, match="tile 4 of a tensor of 4"):
        tensor[4]
    with pytest.raises(ValueError, match="a step of 1 and not be empty"):
        tensor[::2]
    with pytest.raises(ValueError, match="a step of 1 and not be empty"):
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
    back = np.zeros(1, np.int32)
    module.download(buffer, back, second)
    later.record(second)
    later.synchronize()
    assert back[0] == 5
    assert later.elapsed_ms(done) >= 0
    with pytest.raises(module.CudaError, match="cudaEventElapsedTime failed"):
        module.Event().elapsed_ms(done)


def test_what_is_on_another_device_is_refused(emulated):
    emulated.emulate(devices=2)
    here, there = Device(emulated), emulated.Stream(1)
    plan = _core.TilePlan(4, 4, tile_width=4, tile_height=4)
    tensor = here.tensor(np.zeros((1, 3, 4, 4), np.float16))
    image, buffer = here.image(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="picture is on device 0, the stream on device 1"):
        emulated.gather(image, plan, 0, tensor, there)
    with pytest.raises(ValueError, match="buffer is on device 0, the stream on device 1"):
        emulated.upload(np.zeros(1), buffer, there)
    with pytest.raises(ValueError, match="canvas is on device 1, the stream on device 0"):
        emulated.Canvas(plan, 1, device=1).blend(0, tensor, image, here.stream, not_finite=buffer)
    assert emulated.DeviceBuffer(4, 1).device == 1
