"""Parametrised tests of which plain pytest runs a sample, and ``pytest -m grid`` the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


# Networks with the architecture of realesrgan-x4plus-anime and four times as many layers, which takes seconds per test.
DEEP_NETWORKS = {"realesrgan-x4plus", "realsr-df2k"}


def sampled(values: Iterable[Any], keep: Callable[..., bool]) -> list[Any]:
    """Returns the parameters of `pytest.mark.parametrize`, with those outside the sample marked ``grid``.

    Args:
        values: One value per set of parameters; a tuple if a set has several.
        keep: Returns whether a set belongs to the sample.
    """
    sets = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*each, marks=() if keep(*each) else pytest.mark.grid) for each in sets]
