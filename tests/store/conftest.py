"""Stores in a local folder and in fsspec's memory file system."""

from __future__ import annotations

import uuid

import pytest

from tilewright.store.image_store import ImageStore


@pytest.fixture(params=["folder", "memory"])
def location(request, tmp_path):
    return str(tmp_path / "images") if request.param == "folder" else f"memory://{uuid.uuid4()}/images"


@pytest.fixture
def store(location):
    return ImageStore(location)
