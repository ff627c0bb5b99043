"""Tests of PyTorch files need the extra ``torch``; `.ci/run torch` installs it."""

from __future__ import annotations

import pytest

from tilewright.models import user_file


def pytest_ignore_collect():
    """Leaves all tests of this folder out where torch or spandrel is missing."""
    try:
        import spandrel  # noqa: F401
        import torch
    except ImportError:
        return True
    torch.set_num_threads(1)
    return None


@pytest.fixture(autouse=True)
def forget():
    """Forgets conversions, so that a changed file under the same name is read again."""
    user_file._converted.cache_clear()
