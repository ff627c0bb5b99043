"""An Upscaler with small tiles."""

from __future__ import annotations

import pytest

from tilewright import Upscaler


@pytest.fixture
def small_tiles(tmp_path):
    """An Upscaler that cuts pictures of 100 pixels into many tiles, with its store in ``tmp_path / "images"``."""
    return Upscaler(device="cpu", tile=64, store=tmp_path / "images")
