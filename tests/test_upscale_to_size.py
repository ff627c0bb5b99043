"""Upscaling to arbitrary sizes, for arrays, pictures and files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tilewright.codecs.decode import decode
from tilewright.codecs.in_memory import picture_from_array
from tilewright.errors import EncodeError, ModelError, TilewrightError
from tilewright.testing import make_picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_array_is_upscaled_to_the_size(upscaler, channels, dtype):
    array = make_picture(40, 56, channels, dtype)
    result = upscaler.upscale_array(array, size=(150, 130))
    assert (result.shape, result.dtype) == ((107, 150, channels), dtype)
    reduced = np.stack(
        [np.asarray(Image.fromarray(result[:, :, c].astype(np.float32)).resize((56, 40), Image.Resampling.BOX))
         for c in range(channels)], axis=2,
    )  # fmt: skip
    visible = array[:, :, -1] > 0 if channels in (2, 4) else np.ones((40, 56), bool)
    assert np.abs(reduced - array)[visible].mean() / np.iinfo(dtype).max < 0.03
    assert upscaler.upscale_array(array, size=(150, 130), fit="exact").shape == (130, 150, channels)


def test_size_that_is_a_multiple_is_not_resampled(upscaler):
    array = make_picture(40, 56, 4)
    np.testing.assert_array_equal(upscaler.upscale_array(array, size=(168, 500)), upscaler.upscale_array(array, 3))


def test_opaque_picture_stays_opaque(upscaler):
    """The smallest rounding error of the filter would give 254."""
    array = make_picture(30, 30, 4)
    array[:, :, 3] = 255
    result = upscaler.upscale_array(array, size=(77, 77))
    assert (result[:, :, 3] == 255).all()


@pytest.mark.parametrize("file_format", ["PNG", "JPG", "WEBP"])
def test_file_is_upscaled_to_the_size(upscaler, file_format):
    picture = picture_from_array(make_picture(40, 56, 4))
    file = io.BytesIO()
    upscaler.upscale_to_file(picture, None, file, file_format, size=(100, 90))
    result = decode(file.getvalue())
    assert (result.width, result.height) == (100, 71)
    assert upscaler.last_report.output_size == (100, 71)
    assert (result.alpha is None) == (file_format == "JPG")


def test_invalid_requests_are_refused_before_any_work(upscaler):
    picture = picture_from_array(make_picture(40, 5000))
    progress = []
    with pytest.raises(EncodeError, match="16383"):
        upscaler.upscale_to_file(picture, None, None, "WEBP", size=(17000, 200), on_progress=progress.append)
    with pytest.raises(TilewrightError, match="either a factor or a size"):
        upscaler.upscale_array(picture.pixels, 2, size=(100, 100), on_progress=progress.append)
    with pytest.raises(TilewrightError, match="give a factor or a size"):
        upscaler.upscale_array(picture.pixels, on_progress=progress.append)
    with pytest.raises(ModelError, match="no network named"):
        upscaler.upscale_picture(picture, size=(100, 100), model="nothing", on_progress=progress.append)
    assert progress == []


def test_factors_of_a_network(upscaler, tmp_path):
    assert upscaler.factors() == (2, 3, 4)
    assert upscaler.factors("span-x2-ch48") == (2,)
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        upscaler.factors(tmp_path / "nowhere.onnx")
