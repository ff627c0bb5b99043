"""Writing of animated PNG (APNG) and WEBP files, frame by frame.

The changed rectangle of each frame is encoded as a still picture, and its image data is copied into
the animation. Both formats thus use the encoders for still pictures.

Layouts follow the PNG specification, third edition (acTL, fcTL, fdAT), and the WebP container
specification (VP8X, ANIM, ANMF).
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tilewright.codecs.encode import encode
from tilewright.codecs.formats import DEFAULT_OPTIONS, EncodeOptions, check_animation
from tilewright.codecs.png_chunks import SIGNATURE, all_chunks, chunk
from tilewright.codecs.webp import ALPHA_FLAG, METADATA_FLAGS, extended_header, riff_chunk, riff_chunks
from tilewright.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tilewright.codecs.png import Target
    from tilewright.literals import FileFormat
    from tilewright.picture import Animation, Frame, Picture

# Frame positions are multiples of this many pixels; WEBP stores half the offset.
_PNG_GRID = 1
_WEBP_GRID = 2

_MAX_PNG_DELAY = 2**16 - 1  # numerator and denominator
_MAX_WEBP_DELAY = 2**24 - 1  # milliseconds
_MAX_WEBP_PLAYS = 2**16 - 1
_MAX_WEBP_BYTES = 2**32 - 10

# Bit of the flags in VP8X.
_WEBP_ANIMATION = 0x02


def write_animation(
    target: Target,
    animation: Animation,
    frames: Iterator[Frame],
    file_format: FileFormat,
    options: EncodeOptions = DEFAULT_OPTIONS,
) -> None:
    """Writes an animation frame by frame, as animated PNG or WEBP.

    Only one decoded frame and the one before it are in memory. A PNG file is written as frames
    arrive. A WEBP file begins with its length, so its encoded frames are collected and written
    after the last one.

    Args:
        target: Receives the file through ``write``.
        animation: Gives the number of frames and plays.
        frames: Frames of one size, RGB with alpha.
        file_format: ``"PNG"`` or ``"WEBP"``.
        options: Encoder options for every frame.

    Raises:
        EncodeError: The format cannot hold the animation, or the encoder failed.
    """
    check_animation(animation, file_format)
    if file_format == "PNG":
        _write_png(target, animation, _changes(frames, _PNG_GRID), options)
    else:
        _write_webp(target, animation, _changes(frames, _WEBP_GRID), options)


class _Change(NamedTuple):
    """The rectangle of a frame that differs from the frame before, and its position in pixels."""

    picture: Picture
    left: int
    top: int
    milliseconds: float


def _changes(frames: Iterator[Frame], grid: int) -> Iterator[_Change]:
    """Crops every frame to the smallest rectangle, aligned to the grid, that contains all changes.

    The first frame is whole, and only it has metadata.
    """
    before: Picture | None = None
    for frame in frames:
        picture = frame.picture
        if before is None:
            yield _Change(picture, 0, 0, frame.milliseconds)
        else:
            assert before.alpha is not None
            assert picture.alpha is not None
            changed = (picture.pixels != before.pixels).any(axis=2) | (picture.alpha != before.alpha)
            rows, columns = _span(changed.any(axis=1), grid), _span(changed.any(axis=0), grid)
            cropped = replace(
                picture,
                pixels=picture.pixels[rows, columns],
                alpha=picture.alpha[rows, columns],
                icc=None,
                cicp=None,
                dpi=None,
                exif=None,
                xmp=None,
                iptc=None,
                text=(),
            )
            yield _Change(cropped, columns.start, rows.start, frame.milliseconds)
        before = picture


def _span(changed: NDArray[np.bool_], grid: int) -> slice:
    """Returns the range of the True entries, starting on the grid; one entry if none is True."""
    indices = np.flatnonzero(changed)
    if not len(indices):
        return slice(0, 1)
    return slice(int(indices[0]) // grid * grid, int(indices[-1]) + 1)


def _write_png(target: Target, animation: Animation, changes: Iterator[_Change], options: EncodeOptions) -> None:
    sequence = 0
    for number, change in enumerate(changes):
        picture = change.picture
        chunks = list(all_chunks(encode(picture, "PNG", options)))
        if number == 0:
            (_, header), *ancillary = [each for each in chunks if each[0] not in (b"IDAT", b"IEND")]
            control = chunk(b"acTL", struct.pack(">II", animation.count, animation.plays))
            target.write(SIGNATURE + chunk(b"IHDR", header) + control + b"".join(chunk(*each) for each in ancillary))
        rectangle = (picture.width, picture.height, change.left, change.top)
        # Dispose 0 keeps the frame before; blend 0 overwrites the rectangle, alpha included.
        control = struct.pack(">IIIIIHHBB", sequence, *rectangle, *_png_delay(change.milliseconds), 0, 0)
        target.write(chunk(b"fcTL", control))
        sequence += 1
        for body in (body for kind, body in chunks if kind == b"IDAT"):
            if number == 0:
                target.write(chunk(b"IDAT", body))
            else:
                target.write(chunk(b"fdAT", struct.pack(">I", sequence) + body))
                sequence += 1
    target.write(chunk(b"IEND", b""))


def _png_delay(milliseconds: float) -> tuple[int, int]:
    """Returns a delay in seconds as numerator and denominator, as precise as 16 bits allow."""
    for denominator in (1000, 100, 10):
        if (numerator := round(milliseconds * denominator / 1000)) <= _MAX_PNG_DELAY:
            return numerator, denominator
    return min(_MAX_PNG_DELAY, round(milliseconds / 1000)), 1


def _write_webp(target: Target, animation: Animation, changes: Iterator[_Change], options: EncodeOptions) -> None:
    before_frames: list[bytes] = []
    frames: list[bytes] = []
    after_frames: list[bytes] = []
    flags, size = _WEBP_ANIMATION | ALPHA_FLAG, (0, 0)
    for number, change in enumerate(changes):
        chunks = list(riff_chunks(encode(change.picture, "WEBP", options)))
        if number == 0:
            size = change.picture.width, change.picture.height
            for kind, body in chunks:
                if kind in METADATA_FLAGS:
                    flags |= METADATA_FLAGS[kind]
                    (before_frames if kind == b"ICCP" else after_frames).append(riff_chunk(kind, body))
        frames.append(_webp_frame(change, chunks))
    control = struct.pack("<IH", 0, min(_MAX_WEBP_PLAYS, animation.plays))
    parts = [extended_header(flags, *size), *before_frames, riff_chunk(b"ANIM", control), *frames, *after_frames]
    length = 4 + sum(map(len, parts))
    if length > _MAX_WEBP_BYTES:
        raise EncodeError(f"a WEBP file holds at most 4 GiB, this animation takes {length} bytes")
    target.write(b"RIFF" + struct.pack("<I", length) + b"WEBP")
    for part in parts:
        target.write(part)


def _webp_frame(change: _Change, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Returns a frame as chunk ANMF, from the chunks of its still picture."""
    picture = change.picture
    fields = (
        change.left // _WEBP_GRID,
        change.top // _WEBP_GRID,
        picture.width - 1,
        picture.height - 1,
        min(_MAX_WEBP_DELAY, round(change.milliseconds)),
    )
    flags = b"\x02"  # not blended: overwrites the rectangle; not disposed of
    header = b"".join(value.to_bytes(3, "little") for value in fields) + flags
    image = (riff_chunk(*each) for each in chunks if each[0] in (b"ALPH", b"VP8 ", b"VP8L"))
    return riff_chunk(b"ANMF", header + b"".join(image))
