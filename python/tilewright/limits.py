"""Limits on the size of input pictures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from tilewright.errors import ImageTooLargeError, SourceError

# Bytes asked for in one read of a file object.
_CHUNK = 1 << 24

MAX_CHUNKS = 1 << 20
"""Most chunks of a PNG or WEBP file. A sound file of the largest accepted size has 65,536 of the usual 8 KiB."""

MAX_GIF_BLOCKS = 1 << 22
"""Most blocks of a GIF file. A sound file of the largest accepted size has half as many, of 255 bytes."""


# Pictures of up to this many pixels take a few seconds at most.
_SMALL_PIXELS = 1 << 20

NARROWEST = 16
"""Fewest pixels on a side that a network runs on. Narrower pictures are extended, see `plan_tiles`."""


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Limits of one input picture; None means no limit.

    All but the last are checked before memory is allocated for what they limit.

    Attributes:
        pixels: Width times height, and for an animation times its frames.
        file_bytes: Size of the file in bytes.
        frames: Frames of an animation.
        seconds: Time in which a still picture must be decoded.
    """

    pixels: int | None = None
    file_bytes: int | None = None
    frames: int | None = None
    seconds: float | None = None

    def check_frames(self, frames: int) -> None:
        """Checks the number of frames.

        Args:
            frames: Number of frames; 1 for a still picture.

        Raises:
            ImageTooLargeError: There are too many frames.
        """
        if self.frames is not None and frames > self.frames:
            raise ImageTooLargeError(
                f"the animation has {frames} frames, the limit is {self.frames}; "
                "send a shorter one, or raise TILEWRIGHT_MAX_FRAMES"
            )

    def check_size(self, width: int, height: int, frames: int = 1) -> None:
        """Checks the size of a picture or animation.

        The network runs on at least 16 pixels per side. A picture more than 16 times as long as wide
        is therefore checked a second time with that many on its shorter side, unless it is small even
        then. Otherwise a file of a few bytes could claim 16 times the work that the limit allows.

        Args:
            width: Width in pixels.
            height: Height in pixels.
            frames: Number of frames; 1 for a still picture.

        Raises:
            ImageTooLargeError: There are too many frames, or too many pixels in total.
        """
        self.check_frames(frames)
        frames = max(1, frames)  # a picture of no frames is decoded as one
        extended = (max(width, NARROWEST), max(height, NARROWEST))
        self._check_pixels(width, height, frames, "")
        if max(width, height) > NARROWEST * min(width, height) and extended[0] * extended[1] * frames > _SMALL_PIXELS:
            reason = f"{width} x {height} pixels, which the network extends to "
            self._check_pixels(*extended, frames, reason)

    def _check_pixels(self, width: int, height: int, frames: int, reason: str) -> None:
        pixels = width * height * frames
        if self.pixels is not None and pixels > self.pixels:
            times = f" x {frames} frames" if frames > 1 else ""
            raise ImageTooLargeError(
                f"the picture has {reason}{width} x {height}{times} = {pixels} pixels, the limit is {self.pixels}; "
                "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_PIXELS"
            )

    def check_bytes(self, count: int) -> None:
        """Checks the size of a file.

        Args:
            count: Size in bytes.

        Raises:
            ImageTooLargeError: The file has too many bytes.
        """
        if self.file_bytes is not None and count > self.file_bytes:
            raise ImageTooLargeError(
                f"the picture's file has {count} bytes, the limit is {self.file_bytes}; "
                "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_BYTES"
            )

    def read(self, file: Any) -> bytes:
        """Reads a file object to its end, but at most one byte beyond the limit.

        Args:
            file: File object opened in binary mode. It is read from its current position.

        Returns:
            The bytes from there to the end.

        Raises:
            ImageTooLargeError: The file has too many bytes.
            SourceError: The file object returned something other than bytes.
        """
        limit = sys.maxsize - 1 if self.file_bytes is None else self.file_bytes
        chunks, count = [], 0
        # Raw files and sockets may return less than they are asked for.
        while count <= limit and (chunk := file.read(min(_CHUNK, limit + 1 - count))):
            if not isinstance(chunk, bytes):
                raise SourceError(
                    f"the file object ({type(file).__name__}) gave {type(chunk).__name__} instead of bytes; "
                    "open it in binary mode ('rb')",
                    code="invalidInputImage",
                )
            chunks.append(chunk)
            count += len(chunk)
        self.check_bytes(count)
        return b"".join(chunks)


UNLIMITED = InputLimits()
"""No limits."""
