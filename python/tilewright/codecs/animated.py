"""Animations: frames out of GIF, PNG and WEBP files by Pillow, and into PNG and WEBP files.

A frame is written as a still picture of what changed since the one before, and taken over into the animation's file:
so all encoders serve both, and one frame is in memory at a time. Layouts: PNG specification, third edition, for acTL,
fcTL and fdAT; WebP container specification for VP8X, ANIM and ANMF.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.colour import colour_space
from tilewright.codecs.encode import encode
from tilewright.codecs.metadata import exif_resolution, kept
from tilewright.codecs.png_chunks import SIGNATURE, all_chunks, chunk, leading_chunks, resolution
from tilewright.codecs.samples import picture_from_samples
from tilewright.errors import DecodeError, EncodeError
from tilewright.picture import Animation, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.codecs.png import Target
    from tilewright.literals import Format
    from tilewright.picture import Picture

# WEBP gives the place of a frame in steps of two pixels.
_GRID = {"PNG": 1, "WEBP": 2}

_LONGEST_PNG_DELAY = 2**16 - 1
_LONGEST_WEBP_DELAY = 2**24 - 1
_MOST_WEBP_PLAYS = 2**16 - 1


def open_animation(data: bytes, kind: str, frames: int, *, keep_metadata: bool = False) -> Animation:
    """An animation over a file's bytes; its frames are decoded as they are asked for.

    Every frame is what a viewer shows: of the whole size, those before it taken into account, RGB with alpha, 8 bits.

    Args:
        data: the whole file.
        kind: ``"GIF"``, ``"PNG"`` or ``"WEBP"``.
        frames: how many the file says it has.
        keep_metadata: as for `tilewright.codecs.decode.decode`.

    Raises:
        DecodeError: the first frame cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            loop = image.info.get("loop")
            exif, xmp, icc = (image.info.get(name) for name in ("exif", "xmp", "icc_profile"))
            orientation = image.getexif().get(0x0112, 1)
            size = image.size
    except Exception as error:  # whatever Pillow raises over strangers' bytes
        raise DecodeError(f"the {kind} file is corrupt or cut short: {error}") from error
    chunks = leading_chunks(data) if kind == "PNG" else {}
    icc, cicp = colour_space(chunks, icc, grey=False)
    dpi = resolution(chunks) or (exif_resolution(exif) if exif else None)
    fields: dict[str, Any] = {
        "icc": icc,
        "cicp": cicp,
        "orientation": orientation,
        "dpi": dpi,
        "source_format": kind,
        **kept(exif, xmp, wanted=keep_metadata),
    }
    # A GIF file says how often the animation is repeated, and nothing when it is not; the others, how often it plays.
    plays = int(loop or 0) if kind != "GIF" else 1 if loop is None else loop + 1 if loop else 0
    width, height = size[::-1] if orientation in (5, 6, 7, 8) else size
    return Animation(width, height, frames, plays, cicp, kind, lambda: _frames(data, kind, size, frames, fields))


def _frames(data: bytes, kind: str, size: tuple[int, int], frames: int, fields: dict[str, Any]) -> Iterator[Frame]:
    from PIL import Image

    number = 0
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            # A PNG file may show a picture that is no frame where animations are not understood.
            first = 1 if getattr(image, "default_image", False) else 0
            for number in range(frames):
                image.seek(first + number)
                if image.size != size:  # Pillow makes room for a GIF frame that is larger than the screen
                    raise ValueError(f"it reaches beyond the {size[0]} x {size[1]} of the animation")
                samples = np.asarray(image.convert("RGBA"))
                milliseconds = float(image.info.get("duration", 0))
                yield Frame(picture_from_samples(samples, **fields), milliseconds)
    except GeneratorExit:
        raise
    except Exception as error:  # whatever Pillow raises over strangers' bytes
        raise DecodeError(
            f"frame {number + 1} of the {frames} in the {kind} file is corrupt or cut short: {error}"
        ) from error


def check_animation(animation: Animation, file_format: Format) -> None:
    """Ask before any work whether `file_format` can hold an animation.

    Raises:
        EncodeError: it cannot; the message names the formats that can.
    """
    if file_format not in _GRID:
        raise EncodeError(
            f"the picture is an animation of {animation.count} frames, and outputFormat {file_format} holds "
            "one picture only: choose PNG or WEBP, or send one frame as a still picture",
            parameter="outputFormat",
            allowed_values=list(_GRID),
        )


def write_animation(
    target: Target, animation: Animation, frames: Iterator[Frame], file_format: Format, **options: Any
) -> None:
    """Write an animation, APNG or animated WEBP, frame by frame.

    Args:
        target: takes the file by ``write``.
        animation: how many frames there will be, and how often they play.
        frames: all of one size, RGB with alpha.
        file_format: ``"PNG"`` or ``"WEBP"``.
        options: of `encode`.

    Raises:
        EncodeError: the format cannot hold an animation, or the encoder failed.
    """
    check_animation(animation, file_format)
    changes = _changes(frames, _GRID[file_format])
    if file_format == "PNG":
        _write_png(target, animation, changes, options)
    else:
        _write_webp(target, animation, changes, options)


def _changes(frames: Iterator[Frame], grid: int) -> Iterator[tuple[Frame, int, int]]:
    """Each frame cut to the smallest rectangle that differs from the one before, and where it begins."""
    before: Picture | None = None
    for frame in frames:
        picture = frame.picture
        if before is None:
            yield frame, 0, 0
        else:
            assert before.alpha is not None
            assert picture.alpha is not None
            differs = (picture.pixels != before.pixels).any(axis=2) | (picture.alpha != before.alpha)
            top, bottom = _span(differs.any(axis=1), grid)
            left, right = _span(differs.any(axis=0), grid)
            cut = (slice(top, bottom), slice(left, right))
            # What belongs to the whole file is told by the first frame.
            part = replace(picture, pixels=picture.pixels[cut], alpha=picture.alpha[cut], **_NOTHING_BESIDE)
            yield replace(frame, picture=part), left, top
        before = picture


_NOTHING_BESIDE: dict[str, Any] = dict.fromkeys(("icc", "cicp", "dpi", "exif", "xmp"))


def _span(marked: Any, grid: int) -> tuple[int, int]:
    """The range of the marked entries, beginning on a grid; of one entry where none is marked."""
    found = np.flatnonzero(marked)
    return (int(found[0]) // grid * grid, int(found[-1]) + 1) if len(found) else (0, 1)


def _write_png(
    target: Target, animation: Animation, changes: Iterator[tuple[Frame, int, int]], options: dict[str, Any]
) -> None:
    sequence = 0
    for number, (frame, left, top) in enumerate(changes):
        chunks = list(all_chunks(encode(frame.picture, "PNG", **options)))
        if number == 0:
            (_, header), *beside = [each for each in chunks if each[0] not in (b"IDAT", b"IEND")]
            control = chunk(b"acTL", struct.pack(">II", animation.count, animation.plays))
            target.write(SIGNATURE + chunk(b"IHDR", header) + control + b"".join(chunk(*each) for each in beside))
        place = (frame.picture.width, frame.picture.height, left, top)
        # Nothing is disposed of and nothing blended: every frame is what is shown, cut to what changed.
        control = struct.pack(">IIIIIHHBB", sequence, *place, *_delay(frame.milliseconds), 0, 0)
        target.write(chunk(b"fcTL", control))
        sequence += 1
        for body in (body for kind, body in chunks if kind == b"IDAT"):
            if number == 0:
                target.write(chunk(b"IDAT", body))
            else:
                target.write(chunk(b"fdAT", struct.pack(">I", sequence) + body))
                sequence += 1
    target.write(chunk(b"IEND", b""))


def _delay(milliseconds: float) -> tuple[int, int]:
    """A fraction of a second in 16 bits each, as fine as they allow."""
    for parts in (1000, 100, 10):
        if (count := round(milliseconds * parts / 1000)) <= _LONGEST_PNG_DELAY:
            return count, parts
    return min(_LONGEST_PNG_DELAY, round(milliseconds / 1000)), 1


def _write_webp(
    target: Target, animation: Animation, changes: Iterator[tuple[Frame, int, int]], options: dict[str, Any]
) -> None:
    # The file begins with its length, so all of it is kept, encoded, until the last frame.
    before: list[bytes] = []
    after: list[bytes] = []
    parts: list[bytes] = []
    flags, size = 0x02 | 0x10, (0, 0)  # animation, alpha
    for number, (frame, left, top) in enumerate(changes):
        width, height = frame.picture.width, frame.picture.height
        chunks = list(_riff_chunks(encode(frame.picture, "WEBP", **options)))
        if number == 0:
            size = width, height
            for kind, body in chunks:
                if kind in _WEBP_FLAGS:
                    flags |= _WEBP_FLAGS[kind]
                    (before if kind == b"ICCP" else after).append(_riff_chunk(kind, body))
        place = (left // 2, top // 2, width - 1, height - 1, min(_LONGEST_WEBP_DELAY, round(frame.milliseconds)))
        head = b"".join(value.to_bytes(3, "little") for value in place) + b"\x02"  # not blended, not disposed of
        image = (_riff_chunk(*each) for each in chunks if each[0] in (b"ALPH", b"VP8 ", b"VP8L"))
        parts.append(_riff_chunk(b"ANMF", head + b"".join(image)))
    canvas = bytes([flags, 0, 0, 0]) + b"".join((side - 1).to_bytes(3, "little") for side in size)
    control = struct.pack("<IH", 0, min(_MOST_WEBP_PLAYS, animation.plays))
    file = [_riff_chunk(b"VP8X", canvas), *before, _riff_chunk(b"ANIM", control), *parts, *after]
    length = 4 + sum(map(len, file))
    if length > 2**32 - 10:
        raise EncodeError(f"a WEBP file holds at most 4 GiB, this animation takes {length} bytes")
    target.write(b"RIFF" + struct.pack("<I", length) + b"WEBP")
    for part in file:
        target.write(part)


_WEBP_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}


def _riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
