"""Results of any size: the right one, sharp and unshifted, from 16 bits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tilewright.codecs.decode import decode
from tilewright.codecs.in_memory import picture_from_array
from tilewright.codecs.resize import deepened, final_size, least_factor, resized
from tilewright.errors import EncodeError, ModelError, TilewrightError
from tilewright.picture import Picture
from tilewright.testing import make_picture


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_inside_is_the_largest_with_the_pictures_proportions(width, height, size):
    found = final_size(width, height, size, "inside")
    assert 1 <= found[0] <= size[0]
    assert 1 <= found[1] <= size[1]
    assert found[0] == size[0] or found[1] == size[1]
    ratio = min(size[0] / width, size[1] / height)
    assert abs(found[0] - width * ratio) <= 0.5 + 1e-6 or found[0] == 1
    assert abs(found[1] - height * ratio) <= 0.5 + 1e-6 or found[1] == 1
    assert final_size(width, height, size, "exact") == size


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (5,), (5, 6, 7), (5.0, 6), (True, 6), "56", 5, None])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(TilewrightError, match="size must be a width and a height, whole numbers from 1, not"):
        final_size(10, 10, size, "inside")


def test_an_unknown_fit_is_refused():
    with pytest.raises(TilewrightError, match="fit must be one of inside, exact, not 'cover'"):
        final_size(10, 10, (20, 20), "cover")


@pytest.mark.parametrize(("size", "factor"), [((1, 1), 2), ((20, 40), 2), ((21, 40), 3), ((30, 61), 4), ((40, 80), 4)])
def test_the_least_factor_that_is_enough(size, factor):
    assert least_factor(10, 20, size, (2, 3, 4)) == factor


def test_a_size_beyond_the_largest_factor_is_refused():
    message = "size 41 x 80 is more than 4 times 10 x 20, .* at most 40 x 80"
    with pytest.raises(TilewrightError, match=message) as caught:
        least_factor(10, 20, (41, 80), (2, 3, 4))
    assert caught.value.parameter == "size"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_resizing_equals_pillows_filter_in_float(channels, dtype):
    """An independent Lanczos-3. With alpha, colour is weighted by it.

    libvips has 64 positions between two pixels, which is up to 4 steps of 255 beside hard edges and far less elsewhere.
    """
    array = make_picture(60, 80, channels, np.uint16)
    if channels in (2, 4):
        array[:, :, -1] = np.maximum(array[:, :, -1], 3000)  # colour that hardly shows is hardly determined
    picture = picture_from_array(array)
    result = resized(picture, (47, 41), np.dtype(dtype))

    def reduced(plane):
        image = Image.fromarray(plane.astype(np.float32), "F")
        return np.asarray(image.resize((47, 41), Image.Resampling.LANCZOS), np.float64)

    def check(values, want):
        difference = np.abs(values * step - want)
        assert difference.mean() < step / 4 + 100
        assert difference.max() < step / 2 + 1300

    white, step = 65535, 65535 / np.iinfo(dtype).max
    alpha = np.full((60, 80), white) if picture.alpha is None else picture.alpha
    shown = np.clip(reduced(alpha), 1, white)
    for channel in range(picture.pixels.shape[2]):
        want = np.clip(reduced(picture.pixels[:, :, channel] * (alpha / white)) / shown * white, 0, white)
        check(result.pixels[:, :, channel], want)
    if picture.alpha is not None:
        check(result.alpha, np.clip(reduced(alpha), 0, white))
    assert result.pixels.dtype == dtype


def test_deepened_means_the_same():
    picture = Picture(np.array([[[0, 128, 255]]], np.uint8), np.array([[7]], np.uint8), icc=b"icc")
    deep = deepened(picture)
    assert deep.pixels.tolist() == [[[0, 128 * 257, 65535]]]
    assert (deep.alpha.tolist(), deep.icc) == ([[7 * 257]], b"icc")
    assert deepened(deep) is deep


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_array_of_any_kind_gets_the_size(upscaler, channels, dtype):
    array = make_picture(40, 56, channels, dtype)
    result = upscaler.upscale_array(array, size=(150, 130))
    assert (result.shape, result.dtype) == ((107, 150, channels), dtype)
    back = np.stack(
        [np.asarray(Image.fromarray(result[:, :, c].astype(np.float32)).resize((56, 40), Image.Resampling.BOX))
         for c in range(channels)], axis=2,
    )  # fmt: skip
    shown = array[:, :, -1] > 0 if channels in (2, 4) else np.ones((40, 56), bool)
    assert np.abs(back - array)[shown].mean() / np.iinfo(dtype).max < 0.03
    assert upscaler.upscale_array(array, size=(150, 130), fit="exact").shape == (130, 150, channels)


def test_a_size_that_is_a_multiple_is_the_networks_own_result(upscaler):
    array = make_picture(40, 56, 4)
    np.testing.assert_array_equal(upscaler.upscale_array(array, size=(168, 500)), upscaler.upscale_array(array, 3))


def test_opaque_stays_opaque(upscaler):
    """A hair of the filter's rounding would show as 254."""
    array = make_picture(30, 30, 4)
    array[:, :, 3] = 255
    result = upscaler.upscale_array(array, size=(77, 77))
    assert (result[:, :, 3] == 255).all()


@pytest.mark.parametrize("file_format", ["PNG", "JPG", "WEBP"])
def test_a_file_gets_the_size(upscaler, file_format):
    picture = picture_from_array(make_picture(40, 56, 4))
    file = io.BytesIO()
    upscaler.upscale_to_file(picture, None, file, file_format, size=(100, 90))
    result = decode(file.getvalue())
    assert (result.width, result.height) == (100, 71)
    assert upscaler.last_report.output_size == (100, 71)
    assert (result.alpha is None) == (file_format == "JPG")


def test_what_cannot_be_is_known_before_any_work(upscaler):
    picture = picture_from_array(make_picture(40, 5000))
    heard = []
    with pytest.raises(EncodeError, match="16383"):
        upscaler.upscale_to_file(picture, None, None, "WEBP", size=(17000, 200), on_progress=heard.append)
    with pytest.raises(TilewrightError, match="either a factor or a size"):
        upscaler.upscale_array(picture.pixels, 2, size=(100, 100), on_progress=heard.append)
    with pytest.raises(TilewrightError, match="the factor must be an integer, not None"):
        upscaler.upscale_array(picture.pixels, on_progress=heard.append)
    with pytest.raises(ModelError, match="no network named"):
        upscaler.upscale_picture(picture, size=(100, 100), model="nothing", on_progress=heard.append)
    assert heard == []


def test_the_factors_that_a_network_offers(upscaler, tmp_path):
    assert upscaler.factors() == (2, 3, 4)
    assert upscaler.factors("span-x2-ch48") == (2,)
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        upscaler.factors(tmp_path / "nowhere.onnx")
