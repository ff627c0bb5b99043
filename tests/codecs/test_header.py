"""Sizes of pictures from the headers of their files."""

from __future__ import annotations

import pytest
from PIL import Image

from tilewright.codecs.header import stored_size


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.tif", "a.bmp"])
def test_size_is_read_without_the_pixels(name, tmp_path, monkeypatch):
    path = tmp_path / name
    Image.new("L", (31, 17)).save(path)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("pixels were decoded"))
    assert stored_size(path) == (31, 17)


def test_large_pictures_have_a_size(tmp_path):
    """Pillow warns about them, and the tests turn warnings into errors."""
    path = tmp_path / "a.png"
    Image.new("1", (10_000, 10_000)).save(path)
    assert stored_size(path) == (10_000, 10_000)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
def test_what_is_no_picture_has_no_size(content, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert stored_size(path) is None
    assert stored_size(tmp_path / "missing.png") is None
    assert stored_size(tmp_path) is None
