"""WEBP support that libvips lacks: frames and Exif in the container, lossless or not, exact grey.

Layouts follow the WebP container specification (RFC 9649).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tilewright.errors import DecodeError
from tilewright.limits import MAX_CHUNKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.picture import Pixels

_ANIMATION_FLAG = 0x02
_FRAME_HEADER = 16  # bytes of ANMF before the chunks of the frame

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

    Raises:
        DecodeError: The file has more chunks than `tilewright.limits.MAX_CHUNKS`.
    """
    kinds = {kind for kind, *_ in chunk_positions(data, inside_frames=True) if kind in (b"VP8 ", b"VP8L")}
    return kinds == {b"VP8L"}


def count_frames(data: bytes) -> int:
    """Returns the number of frames; 1 for a still picture.

    The decoder needs time that grows with the square of this number.

    Args:
        data: The whole file. It may be corrupt or cut short, which the decoder reports.

    Raises:
        DecodeError: The file has more chunks than `tilewright.limits.MAX_CHUNKS`.
    """
    if data[12:16] != b"VP8X" or len(data) < 21:
        return 1
    frames = sum(kind == b"ANMF" for kind, *_ in chunk_positions(data))
    return frames if data[20] & _ANIMATION_FLAG else 1


def chunk_positions(data: bytes, *, inside_frames: bool = False) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, begin and end of the data of every chunk, without copying it.

    Args:
        data: The whole file. The last chunk may end beyond it.
        inside_frames: Whether the chunks of frames are yielded too, each after its frame.

    Raises:
        DecodeError: The file has more chunks than `tilewright.limits.MAX_CHUNKS`.
    """
    at, last = 12, len(data) - 8
    header = struct.Struct("<4sI").unpack_from
    for _ in range(MAX_CHUNKS):
        if at > last:
            return
        kind, length = header(data, at)
        yield kind, at + 8, at + 8 + length
        at += 8 + (_FRAME_HEADER if inside_frames and kind == b"ANMF" else length + length % 2)
    raise DecodeError(f"the WEBP file has more than {MAX_CHUNKS} chunks; save it again with a common program")


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    """Returns a chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and data of every chunk of a file."""
    for kind, begin, end in chunk_positions(data):
        yield kind, data[begin:end]


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
