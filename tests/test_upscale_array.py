"""Arrays of any size, type and memory layout, upscaled with real networks."""

from __future__ import annotations

import base64
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilewright
from support.threads import run_in_threads
from tilewright.codecs.decode import decode
from tilewright.errors import ModelError, TilewrightError
from tilewright.testing import make_picture


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 1), (5, 1000), (1000, 5), (17, 33)])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_every_size_is_multiplied_exactly(upscaler, shape, factor):
    picture = np.full((*shape, 3), 100, np.uint8)
    result = upscaler.upscale_array(picture, factor)
    assert result.shape == (shape[0] * factor, shape[1] * factor, 3)
    assert result.dtype == np.uint8
    assert abs(int(np.median(result)) - 100) <= 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_dtype_channels_and_content_are_kept(upscaler, dtype, channels):
    picture = make_picture(48, 64, channels, dtype)
    result = upscaler.upscale_array(picture, 2)
    assert (result.shape, result.dtype) == ((96, 128, channels), dtype)
    shrunk = result.reshape(48, 2, 64, 2, channels).mean(axis=(1, 3))
    visible = picture[:, :, -1] > 0 if channels in (2, 4) else np.ones((48, 64), bool)
    difference = np.abs(shrunk - picture)[visible].mean(axis=0) / np.iinfo(dtype).max
    assert (difference < 0.03).all()
    assert len(np.unique(result)) > (300 if dtype == np.uint16 else 50)


ARRAYS = {
    "grey": make_picture(9, 8, 1)[:, :, 0],
    "grey, 16 bits": make_picture(9, 8, 1, np.uint16)[:, :, 0],
    "grey with channel axis": make_picture(9, 8, 1),
    "grey and alpha": make_picture(9, 8, 2),
    "RGB, big endian": make_picture(9, 8, 3, np.uint16).astype(">u2"),
    "Fortran order": np.asfortranarray(make_picture(9, 8, 4)),
    "every other column": make_picture(9, 16)[:, ::2],
    "read-only": np.broadcast_to(np.uint8(9), (9, 8)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_give_the_same_result_as_in_tasks(upscaler, name):
    array = ARRAYS[name]
    result = upscaler.upscale_array(array, np.int64(2))
    assert (result.ndim, result.shape[:2]) == (array.ndim, (18, 16))
    task = tilewright.new_task(array, np.int64(2), outputFormat="PNG", outputType="base64Data")
    reply = upscaler.upscale(task)
    tilewright.raise_for_errors(reply)
    stored = decode(base64.b64decode(reply["data"][0]["imageBase64Data"]))
    pixels = stored.pixels if stored.alpha is None else np.dstack([stored.pixels, stored.alpha])
    np.testing.assert_array_equal(result.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("size", [(20, 24), [20, 24], np.array([20, 24]), (np.int32(20), np.uint16(24))])
def test_sizes_of_any_integers_are_accepted(upscaler, size):
    array = make_picture(12, 10, 1)[:, :, 0]
    np.testing.assert_array_equal(upscaler.upscale_array(array, size=size), upscaler.upscale_array(array, 2))


class Tensor:
    """An array that is shared by DLPack only."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Frame:
    """An object that becomes an array on demand."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize("wrapped", [Tensor, Frame])
def test_objects_that_give_or_share_an_array_are_accepted(upscaler, wrapped):
    array = make_picture(9, 8)
    result = upscaler.upscale_array(wrapped(array), 2)
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, upscaler.upscale_array(array, 2))


def test_tensors_of_torch_are_accepted(upscaler):
    torch = pytest.importorskip("torch")
    array = make_picture(9, 8)
    np.testing.assert_array_equal(upscaler.upscale_array(torch.from_numpy(array), 2), upscaler.upscale_array(array, 2))
    with pytest.raises(TypeError, match="must be in the CPU's memory and detached from its gradient"):
        upscaler.upscale_array(torch.zeros(4, 4, 3, requires_grad=True), 2)


def test_objects_that_cannot_be_read_are_refused(upscaler):
    class OnDevice(Tensor):
        def __dlpack__(self, **_):
            raise BufferError("it is on the device")

    class Refusing(Frame):
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    for value in (OnDevice(make_picture(4, 4)), Refusing(make_picture(4, 4))):
        with pytest.raises(TypeError, match=r"pixels \(\w+\) cannot be read .* device.*; a tensor must be in the CPU"):
            upscaler.upscale_array(value, 2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_from_0_to_1_are_upscaled_in_16_bits(upscaler, dtype):
    deep = make_picture(20, 24, 4, np.uint16)
    floats = (deep / 65535).astype(dtype)
    result = upscaler.upscale_array(floats, 2)
    assert (result.dtype, result.shape) == (np.dtype(dtype), (40, 48, 4))
    same = np.rint(floats.astype(np.float64) * 65535).astype(np.uint16)
    expected = upscaler.upscale_array(same, 2) / 65535
    np.testing.assert_allclose(result.astype(np.float64), expected, atol=float(np.finfo(np.dtype(dtype)).eps))
    assert upscaler.upscale_array(floats[:, :, 0], 2).shape == (40, 48)


@pytest.mark.parametrize("values", [(0, 255), (-0.01, 1), (0, 1.01), (0, np.nan), (0, np.inf)])
def test_floats_outside_0_to_1_are_refused(upscaler, values):
    pixels = np.tile(np.array(values, np.float32), (4, 4))
    with pytest.raises(TilewrightError, match=r"from 0 \(black\) to 1 \(white\), not .*divide them by their white"):
        upscaler.upscale_array(pixels, 2)


def test_invalid_arrays_and_factors_are_refused(upscaler):
    for dtype in (bool, np.int64, np.uint32, complex):
        with pytest.raises(TypeError, match=r"pixels must be uint8, uint16 or floating-point from 0 to 1, not \w+;"):
            upscaler.upscale_array(np.zeros((4, 4, 3), dtype), 2)
    picture = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(TypeError, match="not Image; upscale_image takes Pillow images"):
        upscaler.upscale_array(picture, 2)
    for path in ("a.png", Path("a.png")):
        with pytest.raises(TypeError, match="upscale_file takes files"):
            upscaler.upscale_array(path, 2)
    with pytest.raises(TypeError, match=r"not list; convert it with np.array\(pixels, np.uint8\)"):
        upscaler.upscale_array([[1]], 2)
    with pytest.raises(TypeError, match="not dict; give a NumPy array"):
        upscaler.upscale_array({}, 2)
    with pytest.raises(TilewrightError, match=r"\[3, 4, 5\]; move the channels to the last axis"):
        upscaler.upscale_array(np.zeros((3, 4, 5), np.uint8), 2)
    for shape in [(4,), (4, 4, 5), (0, 4, 3), (0, 4), (1, 4, 4, 3)]:
        with pytest.raises(TilewrightError, match="pixels must be"):
            upscaler.upscale_array(np.zeros(shape, np.uint8), 2)
    for factor in (2.0, "2", True, [2]):
        with pytest.raises(TilewrightError, match="the factor must be an integer, not"):
            upscaler.upscale_array(np.zeros((4, 4, 3), np.uint8), factor)
    assert upscaler.upscale_array(np.zeros((4, 4, 3), np.uint8), 2).shape == (8, 8, 3), "still usable"
    with pytest.raises(ModelError, match="does not offer the factor 5") as caught:
        upscaler.upscale_array(np.zeros((4, 4, 3), np.uint8), 5)
    assert caught.value.allowed_values == [2, 3, 4]


def test_views_byte_orders_and_unaligned_arrays_are_read_correctly(upscaler):
    picture = make_picture(32, 40)
    deep = make_picture(9, 8, 3, np.uint16)
    unaligned = np.frombuffer(b"x" + deep.tobytes(), np.uint16, offset=1).reshape(deep.shape)
    want = upscaler.upscale_array(deep, 2)
    np.testing.assert_array_equal(upscaler.upscale_array(unaligned, 2), want)
    np.testing.assert_array_equal(upscaler.upscale_array(deep.astype(">u2"), 2), want)
    np.testing.assert_array_equal(
        upscaler.upscale_array(picture[::-1, ::2], 2), upscaler.upscale_array(picture[::-1, ::2].copy(), 2)
    )


def test_progress_counts_tiles_and_an_exception_from_the_callback_stops_the_work(upscaler_for):
    small_tiles = upscaler_for(device="cpu", tile=64)
    updates = []
    small_tiles.upscale_array(make_picture(100, 100), 4, on_progress=updates.append)
    assert [progress.done for progress in updates] == list(range(updates[-1].total + 1))
    assert updates[-1].rows == 400

    class Stop(Exception):  # noqa: N818
        pass

    def stop(_):
        raise Stop

    with pytest.raises(Stop):
        small_tiles.upscale_array(make_picture(100, 100), 4, on_progress=stop)
    assert small_tiles.upscale_array(make_picture(8, 8), 4).shape == (32, 32, 3), "still usable"


def test_threads_share_an_upscaler(upscaler):
    pictures = [make_picture(20 + i, 30) for i in range(6)]
    expected = [upscaler.upscale_array(picture, 2) for picture in pictures]
    results = [None] * len(pictures)

    def work(i):
        for _ in range(3):
            results[i] = upscaler.upscale_array(pictures[i], 2)

    run_in_threads(*(partial(work, i) for i in range(len(pictures))))
    for result, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, want)
