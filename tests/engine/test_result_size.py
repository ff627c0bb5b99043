"""Choice of the factor and the final size for arbitrary output sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.engine.result_size import final_size, smallest_factor
from tilewright.errors import TilewrightError


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_inside_is_the_largest_size_with_the_aspect_ratio(width, height, size):
    result = final_size(width, height, size, "inside")
    assert 1 <= result[0] <= size[0]
    assert 1 <= result[1] <= size[1]
    assert result[0] == size[0] or result[1] == size[1]
    ratio = min(size[0] / width, size[1] / height)
    assert abs(result[0] - width * ratio) <= 0.5 + 1e-6 or result[0] == 1
    assert abs(result[1] - height * ratio) <= 0.5 + 1e-6 or result[1] == 1
    assert final_size(width, height, size, "exact") == size


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (5,), (5, 6, 7), (5.0, 6), (True, 6), "56", 5, None])
def test_invalid_size_is_refused(size):
    with pytest.raises(TilewrightError, match="size must be a width and a height, both positive integers, not"):
        final_size(10, 10, size, "inside")


def test_unknown_fit_is_refused():
    with pytest.raises(TilewrightError, match="fit must be one of inside, exact, not 'cover'"):
        final_size(10, 10, (20, 20), "cover")


@pytest.mark.parametrize(("size", "factor"), [((1, 1), 2), ((20, 40), 2), ((21, 40), 3), ((30, 61), 4), ((40, 80), 4)])
def test_smallest_sufficient_factor(size, factor):
    assert smallest_factor(10, 20, size, (2, 3, 4)) == factor


def test_size_beyond_the_largest_factor_is_refused():
    message = "size 41 x 80 is more than 4 times 10 x 20, .* at most 40 x 80"
    with pytest.raises(TilewrightError, match=message) as caught:
        smallest_factor(10, 20, (41, 80), (2, 3, 4))
    assert caught.value.parameter == "size"
