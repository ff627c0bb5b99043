"""Limits on the size of input pictures."""

from __future__ import annotations

import pytest

from tilewright.errors import ImageTooLargeError
from tilewright.limits import InputLimits


@pytest.mark.parametrize(("width", "height"), [(1, 100_001), (100_001, 1), (15, 100_001)])
def test_very_narrow_picture_counts_as_what_the_network_runs_on(width, height):
    limits = InputLimits(pixels=1_600_015)
    with pytest.raises(ImageTooLargeError, match=r"extends to .*16.* = 1600016 pixels, the limit is 1600015; "):
        limits.check_size(width, height)
    InputLimits(pixels=1_600_016).check_size(width, height)


def test_frames_of_a_very_narrow_animation_count_too():
    with pytest.raises(ImageTooLargeError, match=r"1 x 1000 pixels, .* 16 x 1000 x 110 frames = 1760000 pixels"):
        InputLimits(pixels=1_600_000).check_size(1, 1000, 110)


@pytest.mark.parametrize(("width", "height"), [(7, 5), (1, 16), (16, 1001), (4, 64), (10, 1000), (1, 65_536)])
def test_other_pictures_count_as_they_are(width, height):
    InputLimits(pixels=width * height).check_size(width, height)
    with pytest.raises(ImageTooLargeError, match=f"the picture has {width} x {height} = {width * height} pixels"):
        InputLimits(pixels=width * height - 1).check_size(width, height)
