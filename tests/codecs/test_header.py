"""Sizes of pictures from the headers of their files."""

from __future__ import annotations

import os
import struct

import pytest
from PIL import Image

from tilewright.codecs.header import pixel_count, stored_size


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.bmp", "a [page=1].png"])
def test_size_is_read_from_a_header_alone(name, tmp_path):
    path = tmp_path / name
    Image.effect_noise((1001, 607), 200).save(path)
    if path.suffix != ".webp":  # its header counts the bytes
        path.write_bytes(path.read_bytes()[:1200])
    assert stored_size(path) == (1001, 607)
    assert pixel_count(path) == 1001 * 607


@pytest.mark.skipif(os.name == "nt", reason="all names are Unicode there")
def test_size_is_read_from_a_file_whose_name_is_not_utf_8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    try:
        Image.new("L", (20, 10)).save(path)
    except OSError:
        pytest.skip("this file system takes Unicode only")
    assert stored_size(path) == (20, 10)
    assert pixel_count(path) == 200


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (struct.pack("<IHHHH", 12, 40_000, 607, 1, 24), (40_000, 607)),
        (struct.pack("<IiiHH", 40, 1001, -607, 1, 24), (1001, 607)),
        (struct.pack("<IiiHH", 124, 1001, 607, 1, 24), (1001, 607)),
        (struct.pack("<IiiHH", 40, -1, 607, 1, 24), None),
        (struct.pack("<IiiHH", 40, 1001, 0, 1, 24), None),
        (struct.pack("<Ii", 40, 1001), None),
    ],
)
def test_size_of_every_kind_of_bmp_header(header, size, tmp_path):
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + bytes(12) + header)
    assert stored_size(path) == size


def test_size_of_an_avif_file(tmp_path):
    path = tmp_path / "a.avif"
    Image.effect_noise((40, 24), 200).convert("RGB").save(path)
    assert stored_size(path) == (40, 24)


def test_frames_count(tmp_path):
    path = tmp_path / "a.gif"
    frames = [Image.new("L", (20, 10), value) for value in (0, 100, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert stored_size(path) == (20, 10)
    assert pixel_count(path) == 600


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"%!PS-Adobe-3.0\n"])
def test_what_is_no_picture_has_no_size(content, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for each in (path, tmp_path / "missing.png", tmp_path):
        assert stored_size(each) is None
        assert pixel_count(each) is None
