"""Black-and-white pictures that are stored as RGB: results without colour fringes, by every way in and out."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from support.picture_files import opened, saved
from tilewright import new_task
from tilewright.codecs.in_memory import picture_from_array


def lettering(channels=3, dtype=np.uint8):
    """Returns hard black and white edges, which networks tint, as ``[H, W, C]``; a fourth channel is alpha."""
    rows, columns = np.mgrid[0:24, 0:32]
    grey = np.where((rows // 3 + columns // 5) % 2 == 0, 0, np.iinfo(dtype).max).astype(dtype)
    picture = np.stack([grey] * channels, axis=2)
    if channels == 4:
        picture[:, :, 3] = np.iinfo(dtype).max * (rows > 6)
    return picture


def assert_grey(pixels, *, tolerance=0):
    """Checks that all channels are equal; decoders of lossy WEBP files give green one level less than red."""
    assert pixels.shape[2] >= 3, "the channels of the file are kept"
    np.testing.assert_allclose(pixels[:, :, 0], pixels[:, :, 1], rtol=0, atol=tolerance)
    np.testing.assert_array_equal(pixels[:, :, 0], pixels[:, :, 2])
    assert pixels[:, :, 0].min() < pixels[:, :, 0].max()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("target", [{"factor": 4}, {"size": (70, 60)}])
def test_array(upscaler, channels, dtype, target):
    picture = lettering(channels, dtype)
    result = upscaler.upscale_array(picture, **target)
    assert_grey(result)
    assert (result.shape[2], result.dtype) == (channels, dtype)
    if channels == 3:
        np.testing.assert_array_equal(result[:, :, :1], upscaler.upscale_array(picture[:, :, :1], **target))


def test_hidden_colours_do_not_make_a_picture_coloured(upscaler):
    picture = lettering(4)
    picture[:5, :, :3] = (200, 10, 30)  # transparent there
    assert_grey(upscaler.upscale_array(picture, 2))


@pytest.mark.parametrize("source_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("output_format", ["PNG", "JPG", "WEBP"])
def test_file(upscaler, source_format, output_format):
    data = saved(Image.fromarray(lettering()), source_format)
    task = new_task(data, 2, outputFormat=output_format, outputType="base64Data")
    [item] = upscaler.run(task)["data"]
    image = opened(base64.b64decode(item["imageBase64Data"]))
    assert image.mode == "RGB"
    assert_grey(np.asarray(image), tolerance=1 if output_format == "WEBP" else 0)


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_pillow_image(upscaler, mode):
    image = Image.fromarray(lettering(4)).convert(mode)
    [item] = upscaler.run(new_task(image, 2, outputFormat="PNG", outputType="base64Data"))["data"]
    assert_grey(np.asarray(opened(base64.b64decode(item["imageBase64Data"])).convert("RGBA")))


def test_frames_of_an_animation_are_judged_one_by_one(upscaler):
    coloured = lettering()
    coloured[4:12, 4:12] = (200, 40, 30)
    frames = [Image.fromarray(pixels) for pixels in (lettering(), coloured, 255 - lettering())]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    [item] = upscaler.run(new_task(data, 2, outputFormat="PNG", outputType="base64Data"))["data"]
    with Image.open(io.BytesIO(base64.b64decode(item["imageBase64Data"]))) as result:
        found = []
        for number in range(3):
            result.seek(number)
            found.append(np.asarray(result.convert("RGB")))
    assert_grey(found[0])
    assert (found[1][:, :, 0] != found[1][:, :, 2]).any()
    assert_grey(found[2])


def test_field_picture(upscaler, shared_data):
    picture = np.asarray(Image.open(shared_data / "field" / "05_grey_as_rgb.png").convert("RGB"))
    assert_grey(upscaler.upscale_picture(picture_from_array(picture), 4).pixels)
