"""Limits on the size of input pictures."""

from __future__ import annotations

import pytest

from tilewright.errors import ImageTooLargeError
from tilewright.limits import InputLimits


@pytest.mark.parametrize(("width", "height"), [(1, 1001), (1001, 1), (15, 1001)])
def test_very_narrow_picture_counts_as_what_the_network_runs_on(width, height):
    limits = InputLimits(pixels=16_000)
    with pytest.raises(ImageTooLargeError, match=r"extends to .*16.* = 16016 pixels, the limit is 16000; "):
        limits.check_size(width, height)
    InputLimits(pixels=16_016).check_size(width, height)


def test_frames_of_a_very_narrow_animation_count_too():
    with pytest.raises(ImageTooLargeError, match=r"1 x 100 pixels, .* 16 x 100 x 11 frames = 17600 pixels"):
        InputLimits(pixels=16_000).check_size(1, 100, 11)


@pytest.mark.parametrize(("width", "height"), [(7, 5), (1, 16), (16, 1001), (4, 64)])
def test_other_pictures_count_as_they_are(width, height):
    InputLimits(pixels=width * height).check_size(width, height)
    with pytest.raises(ImageTooLargeError, match=f"the picture has {width} x {height} = {width * height} pixels"):
        InputLimits(pixels=width * height - 1).check_size(width, height)
