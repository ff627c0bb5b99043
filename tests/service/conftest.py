"""An Upscaler with small tiles, and a web server."""

from __future__ import annotations

import pytest

from support.web_fixtures import connections, names, server
from tilewright import Upscaler

__all__ = ["connections", "names", "server", "small_tiles"]


@pytest.fixture
def small_tiles(tmp_path):
    """An Upscaler that cuts pictures of 100 pixels into many tiles, with its store in ``tmp_path / "images"``."""
    return Upscaler(device="cpu", tile=64, store=tmp_path / "images")
