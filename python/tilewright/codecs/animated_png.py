"""Frames of an animated PNG file: found, checked and repacked for decoders, without decoding them.

The decoder for stills does not know frames, and the one for animations checks neither checksums nor
counts. Frames are therefore counted and checked here. Layouts and rules follow the PNG
specification, third edition (acTL, fcTL, fdAT).

A file whose animation is malformed before it has two frames is a still picture, as browsers show it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from tilewright.codecs.png_chunks import SIGNATURE, chunk, chunk_positions, has_valid_checksum
from tilewright.errors import DecodeError

# Chunks without which a frame cannot be shown. A wrong checksum in any other chunk is harmless.
_CHECKED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"IDAT", b"fdAT"))
_MAX_UINT31 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PngFrame:
    """One frame of an animated PNG file.

    Attributes:
        control: Data of the frame's fcTL.
        left: Left edge in pixels.
        top: Top edge in pixels.
        width: Width in pixels.
        height: Height in pixels.
        parts: Begin and end in the file of each part of the compressed pixels.
    """

    control: bytes
    left: int
    top: int
    width: int
    height: int
    parts: list[tuple[int, int]] = field(default_factory=list)


class PngAnimation(NamedTuple):
    """The frames of an animated PNG file, at least one.

    Attributes:
        width: Width of the animation in pixels.
        height: Height of the animation in pixels.
        plays: How often the animation plays; 0 means endlessly.
        frames: The frames.
        default_image: Parts of the picture that programs without support for animations show, as in
            `PngFrame`; empty if it is the first frame.
    """

    width: int
    height: int
    plays: int
    frames: list[PngFrame]
    default_image: list[tuple[int, int]]


class _MalformedError(Exception):
    """An animation chunk that the specification forbids."""


def read_animation(data: bytes) -> PngAnimation | None:
    """Finds the frames of a PNG file and checks their order, positions and checksums.

    The frames in the file count, and not the number that acTL gives.

    Args:
        data: The whole file.

    Returns:
        The animation. None if the file is to be decoded as a still picture: it has no animation,
        or only one frame that is the still picture too, or the animation is malformed before it has
        two frames.

    Raises:
        DecodeError: A checksum is wrong, the file is cut short, the animation is malformed after
            its second frame, or there are too many chunks.
    """
    if not _is_animated(data):
        return None
    reader, flaw = _Reader(data), None
    try:
        reader.read()
    except _MalformedError as error:
        flaw = str(error)
    if flaw or reader.complete != reader.claimed:
        # A damaged name of a chunk hides the chunk. What is missing then looks like a malformed animation.
        for _, begin, end in chunk_positions(data):
            if not has_valid_checksum(data, begin, end):
                raise DecodeError("the PNG file is corrupt or cut short: a chunk of its animation has a wrong checksum")
    if flaw and reader.complete > 1:
        raise DecodeError(f"the PNG file is corrupt after {reader.complete} frames: {flaw}")
    frames = reader.frames[: reader.complete]
    if not frames or (len(frames) == 1 and not reader.default_image):
        return None
    return PngAnimation(reader.width, reader.height, reader.plays, frames, reader.default_image)


def repacked(data: bytes, animation: PngAnimation) -> bytes:
    """Returns an animated PNG file with the frames and nothing else, one chunk for each.

    A default image that is no frame is left out, unless the first frame is smaller than the
    animation, because then the format requires it.

    Args:
        data: The whole file.
        animation: Its frames.
    """
    count = struct.pack(">II", len(animation.frames), animation.plays)
    shared = {
        kind: data[begin:end] for kind, begin, end in chunk_positions(data) if kind in (b"IHDR", b"PLTE", b"tRNS")
    }
    parts = [SIGNATURE, *(chunk(*each) for each in shared.items()), chunk(b"acTL", count)]
    first = animation.frames[0]
    as_default = animation.default_image if (first.width, first.height) != (animation.width, animation.height) else []
    if as_default:
        parts.append(chunk(b"IDAT", _joined(data, as_default)))
    sequence = 0
    for frame in animation.frames:
        parts.append(chunk(b"fcTL", struct.pack(">I", sequence) + frame.control[4:]))
        sequence += 1
        pixels = _joined(data, frame.parts)
        if frame is first and not as_default:
            parts.append(chunk(b"IDAT", pixels))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", sequence) + pixels))
            sequence += 1
    return b"".join([*parts, chunk(b"IEND", b"")])


def frame_as_still(data: bytes, frame: PngFrame) -> bytes:
    """Returns a frame as a still PNG file, with all chunks that do not belong to the animation.

    Args:
        data: The whole file.
        frame: One of its frames.
    """
    parts, pending = [SIGNATURE], True
    for kind, begin, end in chunk_positions(data):
        if kind == b"IHDR":
            parts.append(chunk(kind, struct.pack(">II", frame.width, frame.height) + data[begin + 8 : end]))
        elif kind == b"IDAT":
            if pending:
                parts.append(chunk(kind, _joined(data, frame.parts)))
            pending = False
        elif kind not in (b"acTL", b"fcTL", b"fdAT"):
            parts.append(data[begin - 8 : end + 4])
    return b"".join(parts)


def _is_animated(data: bytes) -> bool:
    """Returns whether acTL precedes the pixels; after them it has no meaning."""
    for kind, _, _ in chunk_positions(data):
        if kind in (b"acTL", b"IDAT"):
            return kind == b"acTL"
    return False


def _joined(data: bytes, parts: list[tuple[int, int]]) -> bytes:
    return b"".join(memoryview(data)[begin:end] for begin, end in parts)


class _Reader:
    """Reads the chunks of an animated file in their order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.width = self.height = 0
        self.plays = 0
        self.frames: list[PngFrame] = []
        self.complete = 0  # frames of which no more pixels follow
        self.default_image: list[tuple[int, int]] = []
        self._still: list[tuple[int, int]] | None = None  # the parts in IDAT; None before the first
        self.claimed = 0  # frames according to acTL
        self._sequence = 0

    def read(self) -> None:
        """Reads all chunks.

        Raises:
            _MalformedError: A chunk breaks the rules of the specification.
            DecodeError: A checksum is wrong, or the file is cut short.
        """
        take = {
            b"IHDR": self._header,
            b"acTL": self._claim,
            b"fcTL": self._control,
            b"IDAT": self._still_pixels,
            b"fdAT": self._frame_pixels,
        }
        for kind, begin, end in chunk_positions(self._data):
            if kind in _CHECKED:
                if not has_valid_checksum(self._data, begin, end):
                    where = f"frame {len(self.frames)}" if self.frames else "the header"
                    flaw = "a wrong checksum" if end + 4 <= len(self._data) else "a chunk that is cut short"
                    raise DecodeError(f"the PNG file is corrupt or cut short: {where} has {flaw}")
                if kind in take:
                    take[kind](begin, end)
            elif kind == b"IEND":
                self._end_frame()
                return
        self._end_frame()
        if self.complete < self.claimed:
            raise DecodeError(
                f"the PNG file is corrupt or cut short: it ends after {self.complete} of {self.claimed} frames"
            )

    def _end_frame(self) -> None:
        if self.frames and self.frames[-1].parts:
            self.complete = len(self.frames)

    def _header(self, begin: int, end: int) -> None:
        if end - begin != 13 or self.width:
            raise _MalformedError("IHDR is malformed")
        self.width, self.height = struct.unpack_from(">II", self._data, begin)

    def _claim(self, begin: int, end: int) -> None:
        if self._still is not None or self.claimed or end - begin != 8:
            raise _MalformedError("acTL is malformed or repeated")
        self.claimed, self.plays = struct.unpack_from(">II", self._data, begin)
        if not 0 < self.claimed <= _MAX_UINT31 or self.plays > _MAX_UINT31:
            raise _MalformedError(f"acTL gives {self.claimed} frames and {self.plays} plays")

    def _control(self, begin: int, end: int) -> None:
        self._end_frame()
        if end - begin != 26:
            raise _MalformedError("fcTL is malformed")
        if self.complete < len(self.frames):
            raise _MalformedError("a frame has no pixels")
        self._check_sequence(begin)
        control = self._data[begin:end]
        width, height, left, top, _, _, dispose, blend = struct.unpack(">4x4I2H2B", control)
        if not (0 < width <= self.width - left and 0 < height <= self.height - top):
            raise _MalformedError("a frame lies outside the picture")
        if self._still is None and (width, height) != (self.width, self.height):
            raise _MalformedError("the first frame is smaller than the picture")
        if dispose > 2 or blend > 1:
            raise _MalformedError("fcTL has an unknown operation")
        self.frames.append(PngFrame(control, left, top, width, height))

    def _still_pixels(self, begin: int, end: int) -> None:
        parts = self.frames[-1].parts if self.frames else self.default_image
        if self._still is None:
            self._still = parts
        if parts is not self._still:
            raise _MalformedError("IDAT is misplaced")
        parts.append((begin, end))

    def _frame_pixels(self, begin: int, end: int) -> None:
        parts = self.frames[-1].parts if self.frames else self.default_image
        if self._still is None or parts is self._still or end - begin < 4:
            raise _MalformedError("fdAT is malformed or misplaced")
        self._check_sequence(begin)
        parts.append((begin + 4, end))

    def _check_sequence(self, begin: int) -> None:
        (number,) = struct.unpack_from(">I", self._data, begin)
        if number != self._sequence:
            raise _MalformedError(f"chunk {self._sequence} of the animation is missing or not in its place")
        self._sequence += 1
