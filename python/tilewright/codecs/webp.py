"""WEBP support that libvips lacks: exact grey, whether a file is lossless, chunks and Exif (RFC 9649)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.picture import Pixels

_FRAME_HEADER = 16  # bytes of ANMF before the chunks of the frame
_MAX_CHUNKS = 1 << 16  # an animation of 1000 frames has 3000

ALPHA_FLAG = 0x10
"""Bit of the flags in VP8X: the picture has alpha."""
METADATA_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
"""Bits of the flags in VP8X for chunks that follow."""


def with_exact_grey(samples: Pixels, data: bytes) -> Pixels:
    """Returns the samples of a still file with equal channels, if the file is lossy and has no colour.

    Lossy files have no greyscale. Grey is stored with both colour differences 0, and the decoder's
    rounding (RFC 6386 leaves it open; libwebp's YUV to RGB tables) then gives red and blue the same
    value, and green the same or one less. No other colours give that throughout a picture.

    Args:
        samples: uint8 ``[H, W, C]``, C = 3 or 4, as libvips decodes the file.
        data: The whole file.

    Returns:
        `samples` itself if nothing has to change, else a copy.
    """
    red, green, blue = (samples[:, :, channel] for channel in range(3))
    # The first row tells most pictures apart at no cost.
    if not np.array_equal(red[0], blue[0]) or not np.array_equal(red, blue) or is_lossless(data):
        return samples
    if (red - green > 1).any():  # unsigned: a green above red wraps to a large number
        return samples
    exact = samples.copy()
    exact[:, :, 1] = red
    return exact


def is_lossless(data: bytes) -> bool:
    """Returns whether a file, or every frame of an animation, is lossless.

    Args:
        data: The whole file.
    """
    kinds = {kind for kind in _image_chunks(data) if kind in (b"VP8 ", b"VP8L")}
    return kinds == {b"VP8L"}


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    """Returns a chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and body of each chunk of a file that an encoder has written."""
    at = 12
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def extended_header(flags: int, width: int, height: int) -> bytes:
    """Returns the chunk VP8X, which a file with metadata begins with.

    Args:
        flags: Sum of bits such as `ALPHA_FLAG`.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    return riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def add_exif(data: bytes, exif: bytes, width: int, height: int) -> bytes:
    """Returns a still WEBP file with Exif data.

    Args:
        data: A file without Exif, as libvips writes it.
        exif: Exif data as TIFF.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """
    chunks = list(riff_chunks(data))
    if chunks[0][0] == b"VP8X":
        flags = chunks.pop(0)[1][0]
    else:
        kind, body = chunks[0]
        # Alpha of a lossless picture: the bit after its signature, width and height.
        flags = ALPHA_FLAG if kind == b"VP8L" and body[4] & 0x10 else 0
    chunks.insert(len(chunks) - (chunks[-1][0] == b"XMP "), (b"EXIF", exif))
    header = extended_header(flags | METADATA_FLAGS[b"EXIF"], width, height)
    content = b"WEBP" + header + b"".join(riff_chunk(*each) for each in chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _image_chunks(data: bytes) -> Iterator[bytes]:
    """Yields the names of the chunks, those inside frames included."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind
        # A frame is entered; its chunks are followed by the next frame.
        at += 8 + (_FRAME_HEADER if kind == b"ANMF" else length + length % 2)
