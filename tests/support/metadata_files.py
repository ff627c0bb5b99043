"""Picture files with the metadata of image generators and press photographs."""

from __future__ import annotations

import struct
from typing import Any

from PIL import PngImagePlugin

from support.picture_files import photo_image, saved

PARAMETERS = "a cat, häßlich\nNegative prompt: dog\nSteps: 20, Seed: 1, Size: 512x512"


def generated(**extra: str) -> bytes:
    """Returns a PNG file as image generators write it."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", PARAMETERS)
    info.add_itxt("workflow", '{"nodes": "猫"}', lang="en", tkey="Ablauf")
    info.add_text("Title", "A cat", zip=True)
    for keyword, text in extra.items():
        info.add_text(keyword, text)
    return saved(photo_image(), "PNG", pnginfo=info)


def datasets(*pairs: tuple[int | tuple[int, int], bytes]) -> bytes:
    """Returns IPTC datasets of record 2, or of the record given."""
    return b"".join(
        struct.pack(">BBBH", 0x1C, *(key if isinstance(key, tuple) else (2, key)), len(value)) + value
        for key, value in pairs
    )


IPTC = datasets(
    ((1, 90), b"\x1b%G"),
    (5, "Tîtle".encode()),
    (25, b"sunset"),
    (25, b"beach"),
    (55, b"20260102"),
    (116, b"(c) Ada"),
    (202, b"PREVIEW"),
    ((3, 20), b"\0\x28"),
)


def captioned(iptc: bytes = IPTC, **options: Any) -> bytes:
    """Returns a JPEG file with IPTC, after another image resource of Photoshop."""
    other = b"8BIM" + struct.pack(">HBBI", 0x040C, 0, 0, 5) + b"THUMB\0"
    resource = b"8BIM" + struct.pack(">HBBI", 0x0404, 0, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    body = b"Photoshop 3.0\0" + other + resource
    data = saved(photo_image(), "JPG", **options)
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + data[2:]
