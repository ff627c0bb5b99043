"""Animated PNG files, chunk by chunk."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tilewright.codecs.png_chunks import SIGNATURE, chunk


def flat(colour, width=8, height=6):
    """Returns the compressed pixels of a frame of one colour."""
    row = b"\0" + bytes(colour) * width
    return zlib.compress(row * height)


def header(width=8, height=6, colour_type=2):
    """Returns the chunk IHDR."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))


def control(frames, plays=0):
    """Returns the chunk acTL."""
    return chunk(b"acTL", struct.pack(">II", frames, plays))


def frame_control(sequence, width=8, height=6, left=0, top=0, dispose=0, blend=0):
    """Returns the chunk fcTL."""
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, width, height, left, top, 1, 10, dispose, blend))


def still_pixels(colour, width=8, height=6):
    """Returns the chunk IDAT with one colour."""
    return chunk(b"IDAT", flat(colour, width, height))


def frame_pixels(sequence, colour, width=8, height=6):
    """Returns the chunk fdAT with one colour."""
    return chunk(b"fdAT", struct.pack(">I", sequence) + flat(colour, width, height))


def png(*chunks):
    """Returns a file of these chunks and IEND."""
    return b"".join([SIGNATURE, *chunks, chunk(b"IEND", b"")])


def is_flat(picture, colour):
    """Returns whether all pixels of a picture have one colour."""
    return bool(np.array_equal(picture.pixels, np.full_like(picture.pixels, colour)))
