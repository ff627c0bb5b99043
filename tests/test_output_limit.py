"""The limit on output pixels, which every way to upscale a picture enforces."""

from __future__ import annotations

import dataclasses
import io

import pytest

from tilewright import Picture, Settings, Upscaler, new_task, raise_for_errors
from tilewright.errors import ImageTooLargeError, TaskError
from tilewright.picture import Animation
from tilewright.testing import make_picture


@pytest.mark.parametrize("frames", [1, 3])
def test_limit_on_output_pixels_holds_for_every_call(tmp_path, frames):
    pixels = make_picture(10, 10)
    picture = Picture(pixels)
    if frames > 1:
        picture = Animation(10, 10, frames, 0, None, "GIF", lambda: pytest.fail("a frame was decoded"))
    limit = 400 * frames
    for allowed in (limit, limit - 1):
        settings = dataclasses.replace(Settings.from_environment(), max_output_pixels=allowed)
        with Upscaler(settings=settings, device="cpu", store=tmp_path) as upscaler:
            calls = [lambda: upscaler.upscale_to_file(picture, 2, io.BytesIO(), "PNG")]
            if frames == 1:
                calls += [
                    lambda: upscaler.upscale_to_file(picture, None, io.BytesIO(), "JPG", size=(20, 20)),
                    lambda: upscaler.upscale_array(pixels, 2),
                    lambda: upscaler.upscale_array(pixels, size=(20, 20)),
                    lambda: upscaler.upscale_array(pixels[:, :, 0], 2),
                    lambda: upscaler.upscale_picture(picture, 2),
                    lambda: upscaler.estimate(10, 10, 2),
                    lambda: raise_for_errors(upscaler.upscale(new_task(pixels, 2))),
                ]
            for call in calls:
                if allowed < limit:
                    with pytest.raises(
                        (ImageTooLargeError, TaskError), match=f"= {limit} pixels, the limit is {limit - 1}"
                    ):
                        call()
                elif frames == 1:
                    call()
